#include "kernels/gemm_s8/gemm_s8.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "epilogue.h"

namespace qg {

Dispatch<GemmS8Variant> gemm_s8_variants;

namespace {

ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }

// One column into its panel: groups of four consecutive k lie `stride` bytes apart.
void pack_column(const int8_t* source, ptrdiff_t taps, ptrdiff_t tap_bytes, int8_t* column,
                 ptrdiff_t stride) {
  for (ptrdiff_t tap = 0; tap < taps; ++tap) {
    ptrdiff_t rest = tap_bytes;
    for (; rest >= 4; rest -= 4, source += 4, column += stride) std::memcpy(column, source, 4);
    if (rest > 0) {
      std::memcpy(column, source, static_cast<size_t>(rest));
      source += rest, column += stride;
    }
  }
}

}  // namespace

PackedWeights::PackedWeights(const GemmWeights& w, const OutputCodes& out)
    : variant_(&gemm_s8_variants.get()), out_(out), columns_(w.n),
      depth_(w.taps * round_up(w.tap_bytes, 4)) {
  const ptrdiff_t panel = variant_->panel_columns, depth = w.taps * w.tap_bytes;
  const ptrdiff_t padded = round_up(w.n, variant_->lanes);
  weights_.assign(static_cast<size_t>(padded * depth_), 0);
  bias_.assign(static_cast<size_t>(padded), 0);
  mult_.assign(static_cast<size_t>(padded), 0.0f);
  for (ptrdiff_t n = 0; n < w.n; ++n) {
    const int8_t* const source = w.weights + n * depth;
    const ptrdiff_t first = n / panel * panel, width = std::min(panel, padded - first);
    pack_column(source, w.taps, w.tap_bytes, weights_.data() + first * depth_ + (n - first) * 4,
                width * 4);
    const int64_t sum = std::accumulate(source, source + depth, int64_t{0});
    bias_[static_cast<size_t>(n)] = folded_bias(w.bias[n], sum, depth, w.zx);
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
