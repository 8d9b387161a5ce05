#include "kernels/gemm_s8/gemm_s8.h"

#include <algorithm>
#include "epilogue.h"

namespace qg {

Dispatch<GemmS8Variant> gemm_s8_variants;

namespace {

ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }

}  // namespace

PackedWeights::PackedWeights(const GemmWeights& w, const OutputCodes& out)
    : variant_(&gemm_s8_variants.get()), out_(out), columns_(w.n),
      depth_(w.taps * round_up(w.tap_bytes, 4)) {
  const ptrdiff_t panel = variant_->panel_columns;
  const ptrdiff_t padded = round_up(w.n, variant_->lanes);
  const ptrdiff_t tap_depth = round_up(w.tap_bytes, 4);
  weights_.assign(static_cast<size_t>(padded * depth_), 0);
  bias_.assign(static_cast<size_t>(padded), 0);
  mult_.assign(static_cast<size_t>(padded), 0.0f);
  for (ptrdiff_t n = 0; n < w.n; ++n) {
    const ptrdiff_t first = n / panel * panel;
    const ptrdiff_t width = std::min(panel, padded - first);
    int8_t* const column = weights_.data() + first * depth_ + (n - first) * 4;
    const int8_t* source = w.weights + n * w.taps * w.tap_bytes;
    int64_t sum = 0;
    for (ptrdiff_t tap = 0; tap < w.taps; ++tap) {
      for (ptrdiff_t i = 0; i < w.tap_bytes; ++i, ++source) {
        const ptrdiff_t k = tap * tap_depth + i;
        column[k / 4 * 4 * width + k % 4] = *source;
        sum += *source;
      }
    }
    bias_[static_cast<size_t>(n)] = folded_bias(w.bias[n], sum, w.taps * w.tap_bytes, w.zx);
    mult_[static_cast<size_t>(n)] = checked_multiplier(w.mult[n]);
  }
}

void PackedWeights::multiply(const RowBlock& x, uint8_t* y, ptrdiff_t y_stride) const {
  const GemmPanels panels{weights_.data(), bias_.data(), mult_.data(), columns_, depth_};
  variant_->multiply(x, panels, out_, y, y_stride);
}

ptrdiff_t block_rows(ptrdiff_t row_bytes) {
  constexpr ptrdiff_t kCacheBytes = 384 * 1024, kTile = 6;
  const ptrdiff_t rows = kCacheBytes / std::max<ptrdiff_t>(row_bytes, 1) / kTile * kTile;
  return std::clamp(rows, kTile, kMaxBlockRows);
}

void PackedGemm::run(const uint8_t* x, ptrdiff_t x_stride, uint8_t* y, ptrdiff_t y_stride,
                     ptrdiff_t m_begin, ptrdiff_t m_end) const {
  const uint8_t* rows[kMaxBlockRows];
  const ptrdiff_t block = block_rows(k_);
  for (ptrdiff_t m = m_begin; m < m_end; m += block) {
    const ptrdiff_t count = std::min(block, m_end - m);
    for (ptrdiff_t i = 0; i < count; ++i) rows[i] = x + (m + i) * x_stride;
    weights_.multiply({rows, count, count, 1, k_}, y + m * y_stride, y_stride);
  }
}

}  // namespace qg
