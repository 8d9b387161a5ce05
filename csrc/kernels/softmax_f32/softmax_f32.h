// softmax      e = exp(x - max), y = e / sum(e)
// log_softmax  y = (x - max) - log(sum(e))
//
// over the middle axis of x float32 [outer][n][inner]. e is float32; its sum is a lane sum in
// float64, rounded for the division; the logarithm's y is float64, rounded once. y may be x.
#pragma once

#include "dispatch.h"

namespace qg {

struct SoftmaxShape {
  ptrdiff_t outer, n, inner;
};

void softmax_f32(const float* x, const SoftmaxShape& shape, bool log, float* y);

// dx = y * (g - sum(g * y)) of each row of n: the softmax's gradient, g being that of its result y.
// The sum is a lane sum in float64, rounded.
void softmax_dinput_f32(const float* g, const float* y, ptrdiff_t rows, ptrdiff_t n, float* dx);

struct SoftmaxF32Variant {
  // One row of n contiguous elements.
  void (*row)(const float* x, ptrdiff_t n, bool log, float* y);
  // `columns` (at most column_block) columns of n elements, `inner` apart.
  void (*columns)(const float* x, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t columns, bool log,
                  float* y);
  void (*row_dx)(const float* g, const float* y, ptrdiff_t n, float* dx);
  ptrdiff_t column_block;
};

extern Dispatch<SoftmaxF32Variant> softmax_f32_variants;

}  // namespace qg
