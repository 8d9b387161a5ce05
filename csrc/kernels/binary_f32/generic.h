// binary_f32 in the vocabulary of one instruction set; included inside its namespace.

#include "simd/functions.h"
#include "simd/functions_f32.h"

#define QG_SINGLE(name, y)                                                                       \
  struct Function_##name {                                                                       \
    static constexpr ptrdiff_t kStep = kLanes;                                                   \
    using Vector = F32;                                                                          \
    QG_INLINE F32 get(const float* p, ptrdiff_t n) { return n == kStep ? load(p) : load(p, n); } \
    QG_INLINE F32 repeat(float x) { return splat(x); }                                           \
    QG_INLINE F32 of(F32 a, F32 b) { return (y); }                                               \
    QG_INLINE void put(float* p, F32 v, ptrdiff_t n) {                                           \
      n == kStep ? store(p, v) : store(p, v, n);                                                 \
    }                                                                                            \
  };
#define QG_WIDE(name, y)                                                   \
  struct Function_##name {                                                 \
    static constexpr ptrdiff_t kStep = kWide;                              \
    using Vector = F64;                                                    \
    QG_INLINE F64 get(const float* p, ptrdiff_t n) {                       \
      return n == kStep ? load_wide(p) : load_wide(p, n);                  \
    }                                                                      \
    QG_INLINE F64 repeat(float x) { return wide(static_cast<double>(x)); } \
    QG_INLINE F64 of(F64 a, F64 b) { return (y); }                         \
    QG_INLINE void put(float* p, F64 v, ptrdiff_t n) {                     \
      n == kStep ? store_rounded(p, v) : store_rounded(p, v, n);           \
    }                                                                      \
  };
#include "kernels/binary_f32/binary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE

// Steps are 0 (one value for all) or 1.
template <class Function, bool kOneA, bool kOneB>
void walk(const float* a, const float* b, ptrdiff_t n, float* y) {
  using Vector = typename Function::Vector;
  constexpr ptrdiff_t kStep = Function::kStep;
  const Vector all_a = Function::repeat(a[0]), all_b = Function::repeat(b[0]);
  ptrdiff_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    const Vector va = kOneA ? all_a : Function::get(a + i, kStep);
    const Vector vb = kOneB ? all_b : Function::get(b + i, kStep);
    Function::put(y + i, Function::of(va, vb), kStep);
  }
  if (i < n) {
    const Vector va = kOneA ? all_a : Function::get(a + i, n - i);
    const Vector vb = kOneB ? all_b : Function::get(b + i, n - i);
    Function::put(y + i, Function::of(va, vb), n - i);
  }
}

template <class Function>
void map(const float* a, ptrdiff_t a_step, const float* b, ptrdiff_t b_step, ptrdiff_t n,
         float* y) {
  if (a_step == 0 && b_step == 0) return walk<Function, true, true>(a, b, n, y);
  if (a_step == 0) return walk<Function, true, false>(a, b, n, y);
  if (b_step == 0) return walk<Function, false, true>(a, b, n, y);
  walk<Function, false, false>(a, b, n, y);
}

constexpr BinaryF32Variant kVariant = {{
#define QG_SINGLE(name, y) map<Function_##name>,
#define QG_WIDE(name, y) map<Function_##name>,
#include "kernels/binary_f32/binary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
}};
