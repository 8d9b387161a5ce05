#include "kernels/affine_f32/affine_f32.h"

namespace qg {

void affine_f32(const float* x, const AffineShape& shape, const float* scale, const float* shift,
                float* y) {
  if (shape.inner == 1) {
    for (ptrdiff_t o = 0; o < shape.outer; ++o, x += shape.channels, y += shape.channels) {
      for (ptrdiff_t c = 0; c < shape.channels; ++c) y[c] = x[c] * scale[c] + shift[c];
    }
    return;
  }
  for (ptrdiff_t o = 0; o < shape.outer; ++o) {
    for (ptrdiff_t c = 0; c < shape.channels; ++c, x += shape.inner, y += shape.inner) {
      const float s = scale[c], t = shift[c];
      for (ptrdiff_t i = 0; i < shape.inner; ++i) y[i] = x[i] * s + t;
    }
  }
}

}  // namespace qg
