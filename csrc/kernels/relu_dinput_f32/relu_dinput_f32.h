// dx[i] = y[i] > 0 ? g[i] : 0
//
// g, y, dx float32 [n].
#pragma once

#include <cstddef>

namespace qg {

void relu_dinput_f32(const float* g, const float* y, ptrdiff_t n, float* dx);

}  // namespace qg
