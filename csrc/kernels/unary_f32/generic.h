// unary_f32 in the vocabulary of one instruction set; included inside its namespace.

#include "simd/functions.h"
#include "simd/functions_f32.h"

QG_INLINE F32 with_sign_of(F32 magnitude, F32 x) {
  return from_bits(bits(abs(magnitude)) | (bits(x) & INT32_MIN));
}

QG_INLINE F32 sqrt(F32 x) {
  F32 y = {};
  for (int i = 0; i < kLanes; ++i) y[i] = __builtin_sqrtf(x[i]);
  return y;
}

// Half to even; from 2^23 on every float32 is whole.
QG_INLINE F32 round(F32 x) {
  const F32 a = abs(x);
  return a < 8388608.0f ? with_sign_of((a + 8388608.0f) - 8388608.0f, x) : x;
}

QG_INLINE F32 floor(F32 x) {
  const F32 nearest = round(x);
  return nearest > x ? nearest - 1.0f : nearest;
}

#define QG_SINGLE(name, y)                                                          \
  struct Function_##name {                                                          \
    static constexpr ptrdiff_t kStep = kLanes;                                      \
    QG_INLINE F32 of(F32 x, const double* p) { return static_cast<void>(p), (y); }  \
    QG_INLINE void apply(const float* x, const double* p, float* to) {              \
      store(to, of(load(x), p));                                                    \
    }                                                                               \
    QG_INLINE void apply(const float* x, const double* p, float* to, ptrdiff_t n) { \
      store(to, of(load(x, n), p), n);                                              \
    }                                                                               \
  };
#define QG_WIDE(name, y)                                                            \
  struct Function_##name {                                                          \
    static constexpr ptrdiff_t kStep = kWide;                                       \
    QG_INLINE F64 of(F64 x, const double* p) { return static_cast<void>(p), (y); }  \
    QG_INLINE void apply(const float* x, const double* p, float* to) {              \
      store_rounded(to, of(load_wide(x), p));                                       \
    }                                                                               \
    QG_INLINE void apply(const float* x, const double* p, float* to, ptrdiff_t n) { \
      store_rounded(to, of(load_wide(x, n), p), n);                                 \
    }                                                                               \
  };
#include "kernels/unary_f32/unary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE

template <class Function>
void map(const float* x, ptrdiff_t n, const double* p, float* y) {
  constexpr ptrdiff_t kStep = Function::kStep;
  ptrdiff_t i = 0;
  for (; i + kStep <= n; i += kStep) Function::apply(x + i, p, y + i);
  if (i < n) Function::apply(x + i, p, y + i, n - i);
}

constexpr UnaryF32Variant kVariant = {{
#define QG_SINGLE(name, y) map<Function_##name>,
#define QG_WIDE(name, y) map<Function_##name>,
#include "kernels/unary_f32/unary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
}};
