#include "kernels/depthwise_s8/depthwise_s8.h"

#include <algorithm>

#include "epilogue.h"

namespace qg {

Dispatch<DepthwiseS8Variant> depthwise_s8_variants;

namespace {

constexpr ptrdiff_t kBlockPixels = 96;

ptrdiff_t tap_groups(const ConvSpec& spec) { return (spec.taps() + 3) / 4; }

}  // namespace

PackedDepthwise::PackedDepthwise(const ConvSpec& spec, const int8_t* weights, const int32_t* bias,
                                 const float* mult, int32_t zx, const OutputCodes& out)
    : variant_(&depthwise_s8_variants.get()), spec_(spec), out_(out),
      padding_(static_cast<size_t>(spec.in_channels), static_cast<uint8_t>(zx)) {
  const ptrdiff_t block = variant_->block_channels, channels = spec.in_channels, taps = spec.taps();
  const auto lanes = static_cast<size_t>((channels + block - 1) / block * block);
  weights_.assign(lanes * static_cast<size_t>(tap_groups(spec)) * 4, 0);
  bias_.assign(lanes, 0);
  mult_.assign(lanes, 0.0f);
  for (size_t i = 0; i < lanes; ++i) {
    const auto lane = static_cast<ptrdiff_t>(i) % block, first = static_cast<ptrdiff_t>(i) - lane;
    const ptrdiff_t c = first + variant_->channel_of_lane[lane];
    if (c >= channels) continue;
    int8_t* const packed = weights_.data() + first * tap_groups(spec) * 4 + lane * 4;
    int64_t sum = 0;
    for (ptrdiff_t t = 0; t < taps; ++t) {
      packed[t / 4 * 4 * block + t % 4] = weights[c * taps + t];
      sum += weights[c * taps + t];
    }
    bias_[i] = folded_bias(bias[c], sum, taps, zx);
    mult_[i] = checked_multiplier(mult[c]);
  }
}

size_t PackedDepthwise::scratch_bytes() const {
  return static_cast<size_t>(tap_groups(spec_) * 4 * kBlockPixels) * sizeof(void*);
}

void PackedDepthwise::run(const Images& x, uint8_t* y, ptrdiff_t begin, ptrdiff_t end,
                          uint8_t* scratch) const {
  const auto rows = reinterpret_cast<const uint8_t**>(scratch);
  const ptrdiff_t filled = tap_groups(spec_) * 4;
  const DepthwisePanels panels{weights_.data(), bias_.data(), mult_.data(), spec_.in_channels,
                               tap_groups(spec_)};
  for (; begin < end; begin += kBlockPixels) {
    const ptrdiff_t count = std::min(kBlockPixels, end - begin);
    window_rows(spec_, x, padding_.data(), begin, count, rows);
    std::fill(rows + spec_.taps() * count, rows + filled * count, padding_.data());
    variant_->multiply(rows, count, panels, out_, y + begin * spec_.in_channels);
  }
}

}  // namespace qg
