// y[i] = condition[i] ? a[i] : b[i], without a branch: a random condition costs what any other does
//
// condition uint8 0 or 1; a, b, y float32. A step of 0 takes one value for all elements.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qg {

void where_f32(const uint8_t* condition, const float* a, ptrdiff_t a_step, const float* b,
               ptrdiff_t b_step, ptrdiff_t count, float* y);

}  // namespace qg
