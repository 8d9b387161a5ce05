#include <utility>

#include "kernels/matmul_f32/variant.h"
#include "simd/scalar.h"

QG_BEGIN_SCALAR

constexpr int kFloatRows = 4;
constexpr int kFloatVectors = 2;

QG_INLINE void multiply_add(F32& acc, F32 a, F32 b) { acc = fma(a, b, acc); }
QG_INLINE void pin(F32&) {}
QG_INLINE F32 load_halves(const float* low, const float* high) {
  return F32{low[0], low[1], high[0], high[1]};
}

// to[j][i] = from[i][j] for kLanes rows of kLanes.
QG_INLINE void transpose_square(const float* from, ptrdiff_t from_stride, float* to,
                                ptrdiff_t to_stride) {
  for (ptrdiff_t j = 0; j < kLanes; ++j) {
    for (ptrdiff_t i = 0; i < kLanes; ++i) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

#include "kernels/matmul_f32/generic.h"

const Register registered(matmul_f32_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
