// The vocabulary for AVX-512 with VNNI; scalar.h says what each name means.
#pragma once

#if defined(__x86_64__)
#define QG_HAVE_AVX512VNNI 1

#include <immintrin.h>
#include <cstddef>
#include <cstdint>

#include "simd/region.h"

#define QG_BEGIN_AVX512VNNI                                            \
  QG_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma") \
  namespace qg::avx512vnni {                                           \
  namespace {
#define QG_END_AVX512VNNI \
  }                       \
  }                       \
  QG_TARGET_END

QG_BEGIN_AVX512VNNI

constexpr ptrdiff_t kLanes = 16;

using I32 = __m512i;
using F32 = __m512;
using U8 = __m512i;
using S8 = __m512i;

QG_INLINE __mmask16 first16(ptrdiff_t n) { return static_cast<__mmask16>((1u << n) - 1); }
QG_INLINE __mmask64 first64(ptrdiff_t n) { return ~uint64_t{0} >> (64 - n); }

QG_INLINE I32 splat(int32_t x) { return _mm512_set1_epi32(x); }
QG_INLINE F32 splat(float x) { return _mm512_set1_ps(x); }

QG_INLINE I32 load(const int32_t* p) { return _mm512_loadu_si512(p); }
QG_INLINE F32 load(const float* p) { return _mm512_loadu_ps(p); }
QG_INLINE F32 load(const float* p, ptrdiff_t n) { return _mm512_maskz_loadu_ps(first16(n), p); }
QG_INLINE S8 load_weights(const int8_t* p) { return _mm512_loadu_si512(p); }
QG_INLINE void store(float* p, F32 v) { _mm512_storeu_ps(p, v); }
QG_INLINE void store(float* p, F32 v, ptrdiff_t n) { _mm512_mask_storeu_ps(p, first16(n), v); }

QG_INLINE I32 widen(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
QG_INLINE I32 widen(const uint8_t* p, ptrdiff_t n) {
  return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first16(n), p));
}
QG_INLINE I32 widen(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
QG_INLINE I32 widen(const int8_t* p, ptrdiff_t n) {
  return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(first16(n), p));
}
QG_INLINE void narrow(uint8_t* p, I32 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
}
QG_INLINE void narrow(uint8_t* p, I32 v, ptrdiff_t n) {
  _mm_mask_storeu_epi8(p, first16(n), _mm512_cvtepi32_epi8(v));
}

QG_INLINE I32 add(I32 a, I32 b) { return _mm512_add_epi32(a, b); }
QG_INLINE I32 sub(I32 a, I32 b) { return _mm512_sub_epi32(a, b); }
QG_INLINE F32 mul(F32 a, F32 b) { return _mm512_mul_ps(a, b); }
QG_INLINE F32 div(F32 a, F32 b) { return _mm512_div_ps(a, b); }
QG_INLINE F32 min(F32 a, F32 b) { return _mm512_min_ps(a, b); }
QG_INLINE F32 max(F32 a, F32 b) { return _mm512_max_ps(a, b); }
QG_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm512_fmadd_ps(a, b, c); }
QG_INLINE F32 to_float(I32 v) { return _mm512_cvtepi32_ps(v); }
QG_INLINE I32 round_to_int(F32 v) { return _mm512_cvtps_epi32(v); }

// The compiler would convert halves of what it is given, and join them.
QG_INLINE __m512d to_double(__m256 v) { return _mm512_cvtps_pd(v); }
QG_INLINE __m256 to_single(__m512d v) { return _mm512_cvtpd_ps(v); }

QG_INLINE I32 flag_nan(I32 flags, F32 v) {
  return _mm512_mask_set1_epi32(flags, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), -1);
}
QG_INLINE bool any(I32 flags) { return _mm512_test_epi32_mask(flags, flags) != 0; }

QG_INLINE U8 splat_codes(uint32_t four) { return _mm512_set1_epi32(static_cast<int32_t>(four)); }

QG_INLINE U8 load_codes(const uint8_t* p, ptrdiff_t n) {
  return _mm512_maskz_loadu_epi8(first64(n), p);
}
QG_INLINE void store_codes(uint8_t* p, U8 v, ptrdiff_t n) {
  _mm512_mask_storeu_epi8(p, first64(n), v);
}
QG_INLINE U8 max_codes(U8 a, U8 b) { return _mm512_max_epu8(a, b); }

// Inline assembly, because g++ 12 keeps the accumulators of a 6x64 tile on the stack when they are
// operands of _mm512_dpbusd_epi32, at less than half the speed.
QG_INLINE void dot(I32& acc, U8 a, S8 b) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
}
QG_INLINE void pin(I32& acc) { asm("" : "+v"(acc)); }

// The byte and word unpacks below work inside 128-bit quarters, and packs/packus undo exactly that.
constexpr uint8_t kChannelOfLane[4 * kLanes] = {
    0,  1,  2,  3,  16, 17, 18, 19, 32, 33, 34, 35, 48, 49, 50, 51,  //
    4,  5,  6,  7,  20, 21, 22, 23, 36, 37, 38, 39, 52, 53, 54, 55,  //
    8,  9,  10, 11, 24, 25, 26, 27, 40, 41, 42, 43, 56, 57, 58, 59,  //
    12, 13, 14, 15, 28, 29, 30, 31, 44, 45, 46, 47, 60, 61, 62, 63};

QG_INLINE void interleave(const uint8_t* const* pixels, ptrdiff_t stride, ptrdiff_t offset,
                          ptrdiff_t n, U8 (&out)[4]) {
  const __mmask64 mask = first64(n);
  const U8 p0 = _mm512_maskz_loadu_epi8(mask, pixels[0] + offset);
  const U8 p1 = _mm512_maskz_loadu_epi8(mask, pixels[stride] + offset);
  const U8 p2 = _mm512_maskz_loadu_epi8(mask, pixels[2 * stride] + offset);
  const U8 p3 = _mm512_maskz_loadu_epi8(mask, pixels[3 * stride] + offset);
  const U8 low01 = _mm512_unpacklo_epi8(p0, p1), high01 = _mm512_unpackhi_epi8(p0, p1);
  const U8 low23 = _mm512_unpacklo_epi8(p2, p3), high23 = _mm512_unpackhi_epi8(p2, p3);
  out[0] = _mm512_unpacklo_epi16(low01, low23);
  out[1] = _mm512_unpackhi_epi16(low01, low23);
  out[2] = _mm512_unpacklo_epi16(high01, high23);
  out[3] = _mm512_unpackhi_epi16(high01, high23);
}

QG_INLINE __m512i pack_quarters(I32 v0, I32 v1, I32 v2, I32 v3) {
  return _mm512_packus_epi16(_mm512_packs_epi32(v0, v1), _mm512_packs_epi32(v2, v3));
}

QG_INLINE void store_interleaved(uint8_t* p, const I32 (&v)[4], ptrdiff_t n) {
  _mm512_mask_storeu_epi8(p, first64(n), pack_quarters(v[0], v[1], v[2], v[3]));
}

template <int NV>
QG_INLINE void store_columns(uint8_t* p, const I32 (&v)[NV], ptrdiff_t n) {
  const I32 zero = _mm512_setzero_si512();
  const I32 v1 = NV > 1 ? v[1 % NV] : zero, v2 = NV > 2 ? v[2 % NV] : zero,
            v3 = NV > 3 ? v[3 % NV] : zero;
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i codes = _mm512_permutexvar_epi32(order, pack_quarters(v[0], v1, v2, v3));
  _mm512_mask_storeu_epi8(p, first64(n), codes);
}

constexpr int kTileRows = 6;
constexpr int kTileVectors = 4;

QG_END_AVX512VNNI

#endif
