#include "kernels/affine_f32/affine_f32.h"

#include <algorithm>

#include "parallel.h"

namespace qg {

void affine_f32(const float* x, const AffineShape& shape, const float* scale, const float* shift,
                float* y) {
  const ptrdiff_t row = shape.channels * shape.inner;
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kMovedElements / std::max<ptrdiff_t>(1, row));
  parallel_for(shape.outer, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t o = begin; o < end; ++o) {
      const float* from = x + o * row;
      float* to = y + o * row;
      if (shape.inner == 1) {
        for (ptrdiff_t c = 0; c < shape.channels; ++c) to[c] = from[c] * scale[c] + shift[c];
        continue;
      }
      for (ptrdiff_t c = 0; c < shape.channels; ++c, from += shape.inner, to += shape.inner) {
        const float s = scale[c], t = shift[c];
        for (ptrdiff_t i = 0; i < shape.inner; ++i) to[i] = from[i] * s + t;
      }
    }
  });
}

}  // namespace qg
