#include <utility>

#include "kernels/matmul_f32/variant.h"
#include "simd/avx512vnni.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI

constexpr int kFloatRows = 6;
constexpr int kFloatVectors = 4;

// Inline assembly for the reason given at dot() in simd/avx512vnni.h.
QG_INLINE void multiply_add(F32& acc, F32 a, F32 b) {
  asm("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
}
QG_INLINE void pin(F32& acc) { asm("" : "+v"(acc)); }
QG_INLINE F32 load_halves(const float* low, const float* high) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1);
}

// to[j][i] = from[i][j] for 16 rows of 16: pairs, then fours inside each quarter, then the
// quarters.
QG_INLINE void transpose_square(const float* from, ptrdiff_t from_stride, float* to,
                                ptrdiff_t to_stride) {
  F32 r[16], s[16];
  for (int i = 0; i < 16; ++i) r[i] = load(from + i * from_stride);
  for (int i = 0; i < 16; i += 2) {
    s[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm512_shuffle_ps(s[i], s[i + 2], 0xEE);
    r[i + 2] = _mm512_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm512_shuffle_ps(s[i + 1], s[i + 3], 0xEE);
  }
  // r[4g + c] holds, in quarter q, column 4q + c of rows 4g..4g+3.
  for (int c = 0; c < 4; ++c) {
    const F32 low01 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x44);
    const F32 high01 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xEE);
    const F32 low23 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x44);
    const F32 high23 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xEE);
    store(to + c * to_stride, _mm512_shuffle_f32x4(low01, low23, 0x88));
    store(to + (4 + c) * to_stride, _mm512_shuffle_f32x4(low01, low23, 0xDD));
    store(to + (8 + c) * to_stride, _mm512_shuffle_f32x4(high01, high23, 0x88));
    store(to + (12 + c) * to_stride, _mm512_shuffle_f32x4(high01, high23, 0xDD));
  }
}

#include "kernels/matmul_f32/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(matmul_f32_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
