// sum   y = sum over the reduced axes, float64 in lane order (simd/lane_sum.h), rounded once
// mean  y = sum / count
// amax  y = the largest; NaN wins, zero is +0
//
// The elements of one sum are numbered with the reduced axes in their order, last fastest. x
// float32, contiguous; y float32, contiguous over the kept axes.
#pragma once

#include <vector>

#include "dispatch.h"

namespace qg {

enum class ReduceF32 : int32_t { sum, mean, amax };

struct ReduceAxis {
  ptrdiff_t size;
  bool reduced;
};

void reduce_f32(ReduceF32 function, const float* x, const std::vector<ReduceAxis>& axes, float* y);

struct ReduceF32Variant {
  // Element i of x goes to lane (first + i) % 8 of a sum, or into the maximum in that lane.
  void (*run)(bool sum, const float* x, ptrdiff_t n, ptrdiff_t first, double* lanes);
  // Element i of each of `count` rows goes into acc[i], the rows in order.
  void (*columns)(bool sum, const float* const* rows, ptrdiff_t count, ptrdiff_t n, double* acc);
};

extern Dispatch<ReduceF32Variant> reduce_f32_variants;

}  // namespace qg
