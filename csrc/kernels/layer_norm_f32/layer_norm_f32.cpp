#include "kernels/layer_norm_f32/layer_norm_f32.h"

namespace qg {

Dispatch<LayerNormF32Variant> layer_norm_f32_variants;

void layer_norm_f32(const float* x, ptrdiff_t rows, ptrdiff_t size, const LayerNormTerms& terms,
                    float* y) {
  const LayerNormF32Variant& variant = layer_norm_f32_variants.get();
  for (ptrdiff_t row = 0; row < rows; ++row)
    variant.row(x + row * size, size, terms, y + row * size);
}

}  // namespace qg
