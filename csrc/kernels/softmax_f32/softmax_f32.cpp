#include "kernels/softmax_f32/softmax_f32.h"

#include <algorithm>

#include "aligned.h"

namespace qg {

Dispatch<SoftmaxF32Variant> softmax_f32_variants;

void softmax_f32(const float* x, const SoftmaxShape& shape, bool log, float* y) {
  if (shape.outer == 0 || shape.n == 0 || shape.inner == 0) return;
  const SoftmaxF32Variant& variant = softmax_f32_variants.get();
  const ptrdiff_t block = shape.inner == 1 ? 1 : variant.column_block;
  AlignedVector<double> e(static_cast<size_t>(shape.n * block));
  for (ptrdiff_t o = 0; o < shape.outer;
       ++o, x += shape.n * shape.inner, y += shape.n * shape.inner) {
    if (shape.inner == 1) {
      variant.row(x, shape.n, log, e.data(), y);
      continue;
    }
    for (ptrdiff_t i = 0; i < shape.inner; i += block) {
      variant.columns(x + i, shape.n, shape.inner, std::min(block, shape.inner - i), log, e.data(),
                      y + i);
    }
  }
}

}  // namespace qg
