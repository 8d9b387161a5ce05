#include "kernels/softmax_f32/softmax_f32.h"

#include <algorithm>

#include "aligned.h"
#include "parallel.h"

namespace qg {

Dispatch<SoftmaxF32Variant> softmax_f32_variants;

void softmax_f32(const float* x, const SoftmaxShape& shape, bool log, float* y) {
  if (shape.outer == 0 || shape.n == 0 || shape.inner == 0) return;
  const SoftmaxF32Variant& variant = softmax_f32_variants.get();
  const ptrdiff_t block = shape.inner == 1 ? 1 : variant.column_block;
  const ptrdiff_t size = shape.n * shape.inner;
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kComputedElements / size);
  parallel_for(shape.outer, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    AlignedVector<double> e(static_cast<size_t>(shape.n * block));
    for (ptrdiff_t o = begin; o < end; ++o) {
      const float* from = x + o * size;
      float* to = y + o * size;
      if (shape.inner == 1) {
        variant.row(from, shape.n, log, e.data(), to);
        continue;
      }
      for (ptrdiff_t i = 0; i < shape.inner; i += block) {
        variant.columns(from + i, shape.n, shape.inner, std::min(block, shape.inner - i), log,
                        e.data(), to + i);
      }
    }
  });
}

}  // namespace qg
