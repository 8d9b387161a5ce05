// y[i] = f(a[i], b[i]) with broadcasting, f one of binary_f32.def
//
// a, b, y float32; y is contiguous and may be a or b if nothing is broadcast.
#pragma once

#include <vector>

#include "dispatch.h"

namespace qg {

enum class BinaryF32 : int32_t {
#define QG_SINGLE(name, y) name,
#define QG_WIDE(name, y) name,
#include "kernels/binary_f32/binary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
};

constexpr int32_t kBinaryF32Count = 0
#define QG_SINGLE(name, y) +1
#define QG_WIDE(name, y) +1
#include "kernels/binary_f32/binary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
    ;

// One axis of the result: how many elements, and how far one step moves in each operand (0:
// broadcast).
struct BroadcastAxis {
  ptrdiff_t size, a_step, b_step;
};

// The axes of a result of these shapes, axes that can be walked as one joined; the last has steps 0
// or 1. The shapes broadcast, and both arrays are contiguous.
std::vector<BroadcastAxis> broadcast_axes(const std::vector<ptrdiff_t>& a,
                                          const std::vector<ptrdiff_t>& b);

void binary_f32(BinaryF32 function, const float* a, const float* b,
                const std::vector<BroadcastAxis>& axes, float* y);

struct BinaryF32Variant {
  // a_step and b_step are 0 or 1.
  void (*functions[kBinaryF32Count])(const float* a, ptrdiff_t a_step, const float* b,
                                     ptrdiff_t b_step, ptrdiff_t n, float* y);
};

extern Dispatch<BinaryF32Variant> binary_f32_variants;

}  // namespace qg
