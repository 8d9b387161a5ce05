// y[i] = f(x[i]), f one of unary_f32.def with its parameters
//
// x, y float32 [n]; y may be x.
#pragma once

#include "dispatch.h"

namespace qg {

enum class UnaryF32 : int32_t {
#define QG_SINGLE(name, y) name,
#define QG_WIDE(name, y) name,
#include "kernels/unary_f32/unary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
};

constexpr int32_t kUnaryF32Count = 0
#define QG_SINGLE(name, y) +1
#define QG_WIDE(name, y) +1
#include "kernels/unary_f32/unary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
    ;

constexpr int32_t kUnaryF32Parameters = 2;  // at most

void unary_f32(UnaryF32 function, const float* x, ptrdiff_t n, const double* parameters, float* y);

struct UnaryF32Variant {
  void (*functions[kUnaryF32Count])(const float* x, ptrdiff_t n, const double* p, float* y);
};

extern Dispatch<UnaryF32Variant> unary_f32_variants;

}  // namespace qg
