#include <utility>

#include "kernels/matmul_f32/variant.h"
#include "simd/avx2.h"

#ifdef QG_HAVE_AVX2

QG_BEGIN_AVX2

constexpr int kFloatRows = 6;
constexpr int kFloatVectors = 2;

// Inline assembly for the reason given at dot() in simd/avx512vnni.h.
QG_INLINE void multiply_add(F32& acc, F32 a, F32 b) {
  asm("vfmadd231ps %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b));
}
QG_INLINE void pin(F32& acc) { asm("" : "+x"(acc)); }
QG_INLINE F32 load_halves(const float* low, const float* high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}

// to[j][i] = from[i][j] for 8 rows of 8: pairs, then fours inside each half, then the halves.
QG_INLINE void transpose_square(const float* from, ptrdiff_t from_stride, float* to,
                                ptrdiff_t to_stride) {
  F32 r[8], s[8];
  for (int i = 0; i < 8; ++i) r[i] = load(from + i * from_stride);
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xEE);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xEE);
  }
  // r[4g + c] holds, in half h, column 4h + c of rows 4g..4g+3.
  for (int c = 0; c < 4; ++c) {
    store(to + c * to_stride, _mm256_permute2f128_ps(r[c], r[4 + c], 0x20));
    store(to + (4 + c) * to_stride, _mm256_permute2f128_ps(r[c], r[4 + c], 0x31));
  }
}

#include "kernels/matmul_f32/generic.h"
QG_END_AVX2

namespace qg {
static const Register registered(matmul_f32_variants, Isa::avx2, &avx2::kVariant);
}  // namespace qg

#endif
