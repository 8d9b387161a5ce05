#include "kernels/softmax_f32/softmax_f32.h"

#include <algorithm>

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
    for (ptrdiff_t o = begin; o < end; ++o) {
      const float* from = x + o * size;
      float* to = y + o * size;
      if (shape.inner == 1) {
        variant.row(from, shape.n, log, to);
        continue;
      }
      for (ptrdiff_t i = 0; i < shape.inner; i += block) {
        variant.columns(from + i, shape.n, shape.inner, std::min(block, shape.inner - i), log,
                        to + i);
      }
    }
  });
}

void softmax_dinput_f32(const float* g, const float* y, ptrdiff_t rows, ptrdiff_t n, float* dx) {
  if (rows == 0 || n == 0) return;
  const SoftmaxF32Variant& variant = softmax_f32_variants.get();
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kComputedElements / n);
  parallel_for(rows, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t at = begin * n; at < end * n; at += n)
      variant.row_dx(g + at, y + at, n, dx + at);
  });
}

}  // namespace qg
