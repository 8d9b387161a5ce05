// y[o][c][i] = x[o][c][i] * scale[c] + shift[c], two roundings
//
// x, y float32 [outer][channels][inner], scale and shift float32 [channels]; y may be x.
#pragma once

#include <cstddef>

namespace qg {

struct AffineShape {
  ptrdiff_t outer, channels, inner;
};

void affine_f32(const float* x, const AffineShape& shape, const float* scale, const float* shift,
                float* y);

}  // namespace qg
