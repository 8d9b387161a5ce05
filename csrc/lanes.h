// The one order in which the eight lanes of a float64 sum are joined; simd/lane_sum.h has it for
// the code of an instruction set, lane_sum() of qgrad/kernels/float_reference.py is the meaning.
#pragma once

#include <cstddef>

namespace qg {

constexpr ptrdiff_t kSumLanes = 8;

// ((0+4)+(2+6)) + ((1+5)+(3+7)) of lanes `step` apart, with `join` for +.
template <class Join>
double joined_lanes(const double* lane, ptrdiff_t step, const Join& join) {
  double half[4];
  for (ptrdiff_t i = 0; i < 4; ++i) half[i] = join(lane[i * step], lane[(i + 4) * step]);
  return join(join(half[0], half[2]), join(half[1], half[3]));
}

inline double summed_lanes(const double* lane, ptrdiff_t step = 1) {
  return joined_lanes(lane, step, [](double a, double b) { return a + b; });
}

}  // namespace qg
