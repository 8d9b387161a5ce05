// softmax      y = exp(x - max) / sum(exp(x - max))
// log_softmax  y = (x - max) - log(sum(exp(x - max)))
//
// over the middle axis of x float32 [outer][n][inner], in float64, rounded once; the sum is a lane
// sum. y may be x.
#pragma once

#include "dispatch.h"

namespace qg {

struct SoftmaxShape {
  ptrdiff_t outer, n, inner;
};

void softmax_f32(const float* x, const SoftmaxShape& shape, bool log, float* y);

struct SoftmaxF32Variant {
  // One row of n contiguous elements; `e` has room for n.
  void (*row)(const float* x, ptrdiff_t n, bool log, double* e, float* y);
  // `columns` (at most column_block) columns of n elements, `inner` apart; `e` has room for n *
  // column_block.
  void (*columns)(const float* x, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t columns, bool log,
                  double* e, float* y);
  ptrdiff_t column_block;
};

extern Dispatch<SoftmaxF32Variant> softmax_f32_variants;

}  // namespace qg
