#include "kernels/layer_norm_f32/layer_norm_f32.h"

#include <algorithm>

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

}  // namespace qg
