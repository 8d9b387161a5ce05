#include "kernels/layer_norm_f32/layer_norm_f32.h"

#include <algorithm>

#include "aligned.h"
#include "lanes.h"
#include "parallel.h"

namespace qg {

Dispatch<LayerNormF32Variant> layer_norm_f32_variants;

void layer_norm_f32(const float* x, ptrdiff_t rows, ptrdiff_t size, const LayerNormTerms& terms,
                    float* y) {
  const LayerNormF32Variant& variant = layer_norm_f32_variants.get();
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kComputedElements / size);
  parallel_for(rows, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t row = begin; row < end; ++row)
      variant.row(x + row * size, size, terms, y + row * size);
  });
}

namespace {

constexpr ptrdiff_t kColumns = 64;

}  // namespace

void layer_norm_grads_f32(const float* g, const float* x, ptrdiff_t rows, ptrdiff_t size,
                          const LayerNormTerms& terms, const LayerNormGrads& out) {
  const LayerNormF32Variant& variant = layer_norm_f32_variants.get();
  AlignedVector<RowScale> scales(static_cast<size_t>(rows));
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kComputedElements / size);
  parallel_for(rows, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t row = begin; row < end; ++row) {
      scales[static_cast<size_t>(row)] =
          variant.row_dx(g + row * size, x + row * size, size, terms, out.dx + row * size);
    }
  });
  const ptrdiff_t blocks = (size + kColumns - 1) / kColumns;
  const ptrdiff_t of_block = std::max<ptrdiff_t>(1, rows * kColumns);
  parallel_for(
      blocks, std::max<ptrdiff_t>(1, kComputedElements / of_block),
      [&](ptrdiff_t begin, ptrdiff_t end) {
        for (ptrdiff_t first = begin * kColumns; first < std::min(size, end * kColumns);
             first += kColumns) {
          const ptrdiff_t n = std::min(kColumns, size - first);
          double weight_sums[kSumLanes * kColumns] = {}, bias_sums[kSumLanes * kColumns] = {};
          for (ptrdiff_t row = 0; row < rows; ++row) {
            const ptrdiff_t at = row * size + first, lane = row % kSumLanes * kColumns;
            variant.add_row(g + at, x + at, n, scales[static_cast<size_t>(row)], weight_sums + lane,
                            bias_sums + lane);
          }
          for (ptrdiff_t i = 0; i < n; ++i) {
            out.dweight[first + i] = static_cast<float>(summed_lanes(weight_sums + i, kColumns));
            out.dbias[first + i] = static_cast<float>(summed_lanes(bias_sums + i, kColumns));
          }
        }
      });
}

}  // namespace qg
