// The vocabulary for AVX2 with FMA; scalar.h says what each name means.
#pragma once

#if defined(__x86_64__)
#define QG_HAVE_AVX2 1

#include <immintrin.h>
#include <cstddef>
#include <cstdint>

#include "simd/region.h"

#define QG_BEGIN_AVX2         \
  QG_TARGET_BEGIN("avx2,fma") \
  namespace qg::avx2 {        \
  namespace {
#define QG_END_AVX2 \
  }                 \
  }                 \
  QG_TARGET_END

QG_BEGIN_AVX2

constexpr ptrdiff_t kLanes = 8;

using I32 = __m256i;
using F32 = __m256;
using U8 = __m256i;
using S8 = __m256i;

// Lanes 0..n-1 set: a window on eight set lanes and eight clear ones.
QG_INLINE __m256i first8(ptrdiff_t n) {
  alignas(32) static constexpr int32_t kLanesSet[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kLanesSet + 8 - n));
}

QG_INLINE I32 splat(int32_t x) { return _mm256_set1_epi32(x); }
QG_INLINE F32 splat(float x) { return _mm256_set1_ps(x); }

QG_INLINE I32 load(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
QG_INLINE F32 load(const float* p) { return _mm256_loadu_ps(p); }
QG_INLINE F32 load(const float* p, ptrdiff_t n) {
  return n == kLanes ? load(p) : _mm256_maskload_ps(p, first8(n));
}
QG_INLINE S8 load_weights(const int8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
QG_INLINE void store(float* p, F32 v) { _mm256_storeu_ps(p, v); }
QG_INLINE void store(float* p, F32 v, ptrdiff_t n) {
  if (n == kLanes) return store(p, v);
  // Not vpmaskmov: on some CPUs a masked store costs as much as twelve plain ones.
  alignas(32) float lanes[kLanes];
  store(lanes, v);
  __builtin_memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
}

// There are no masked moves of bytes: a few go by way of a copy.
template <class T>
QG_INLINE __m128i read_eight(const T* p, ptrdiff_t n) {
  int64_t bytes = 0;
  __builtin_memcpy(&bytes, p, static_cast<size_t>(n));
  return _mm_cvtsi64_si128(bytes);
}
QG_INLINE __m128i read_eight(const void* p) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(p));
}

QG_INLINE I32 widen(const uint8_t* p) { return _mm256_cvtepu8_epi32(read_eight(p)); }
QG_INLINE I32 widen(const uint8_t* p, ptrdiff_t n) {
  return _mm256_cvtepu8_epi32(read_eight(p, n));
}
QG_INLINE I32 widen(const int8_t* p) { return _mm256_cvtepi8_epi32(read_eight(p)); }
QG_INLINE I32 widen(const int8_t* p, ptrdiff_t n) { return _mm256_cvtepi8_epi32(read_eight(p, n)); }

QG_INLINE __m128i to_eight_bytes(I32 v) {
  const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(255));  // of -128..127 too
  const __m128i words =
      _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  return _mm_packus_epi16(words, words);
}
QG_INLINE void narrow(uint8_t* p, I32 v) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), to_eight_bytes(v));
}
QG_INLINE void narrow(uint8_t* p, I32 v, ptrdiff_t n) {
  const int64_t bytes = _mm_cvtsi128_si64(to_eight_bytes(v));
  __builtin_memcpy(p, &bytes, static_cast<size_t>(n));
}

QG_INLINE I32 add(I32 a, I32 b) { return _mm256_add_epi32(a, b); }
QG_INLINE I32 sub(I32 a, I32 b) { return _mm256_sub_epi32(a, b); }
QG_INLINE F32 mul(F32 a, F32 b) { return _mm256_mul_ps(a, b); }
QG_INLINE F32 div(F32 a, F32 b) { return _mm256_div_ps(a, b); }
QG_INLINE F32 min(F32 a, F32 b) { return _mm256_min_ps(a, b); }
QG_INLINE F32 max(F32 a, F32 b) { return _mm256_max_ps(a, b); }
QG_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm256_fmadd_ps(a, b, c); }
QG_INLINE F32 to_float(I32 v) { return _mm256_cvtepi32_ps(v); }
QG_INLINE I32 round_to_int(F32 v) { return _mm256_cvtps_epi32(v); }

// The compiler would convert halves of what it is given, and join them.
QG_INLINE __m256d to_double(__m128 v) { return _mm256_cvtps_pd(v); }
QG_INLINE __m128 to_single(__m256d v) { return _mm256_cvtpd_ps(v); }

QG_INLINE I32 flag_nan(I32 flags, F32 v) {
  return _mm256_or_si256(flags, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}
QG_INLINE bool any(I32 flags) { return _mm256_testz_si256(flags, flags) == 0; }

QG_INLINE U8 splat_codes(uint32_t four) { return _mm256_set1_epi32(static_cast<int32_t>(four)); }

QG_INLINE U8 load_codes(const uint8_t* p, ptrdiff_t n) {
  if (n == 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  alignas(32) uint8_t bytes[32] = {};
  __builtin_memcpy(bytes, p, static_cast<size_t>(n));
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}
QG_INLINE void store_codes(uint8_t* p, U8 v, ptrdiff_t n) {
  if (n == 32) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  if (n == 16) return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(v));
  alignas(32) uint8_t bytes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), v);
  __builtin_memcpy(p, bytes, static_cast<size_t>(n));
}
QG_INLINE U8 max_codes(U8 a, U8 b) { return _mm256_max_epu8(a, b); }

// vpmaddubsw would saturate: the sum of two products of a code and a weight needs 17 bits. So both
// are widened, the even ones and the odd ones, and vpmaddwd adds pairs in 32 bits. In a tile the
// compiler widens every vector once.
QG_INLINE void dot(I32& acc, U8 a, S8 b) {
  const I32 even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(255)),
                                     _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  const I32 odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  acc = add(acc, add(even, odd));
}
QG_INLINE void pin(I32& acc) { asm("" : "+x"(acc)); }

// The byte and word unpacks below work inside 128-bit halves, and packs/packus undo exactly that.
constexpr uint8_t kChannelOfLane[4 * kLanes] = {
    0, 1, 2,  3,  16, 17, 18, 19, 4,  5,  6,  7,  20, 21, 22, 23,  //
    8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31};

QG_INLINE void interleave(const uint8_t* const* pixels, ptrdiff_t stride, ptrdiff_t offset,
                          ptrdiff_t n, U8 (&out)[4]) {
  const U8 p0 = load_codes(pixels[0] + offset, n);
  const U8 p1 = load_codes(pixels[stride] + offset, n);
  const U8 p2 = load_codes(pixels[2 * stride] + offset, n);
  const U8 p3 = load_codes(pixels[3 * stride] + offset, n);
  const U8 low01 = _mm256_unpacklo_epi8(p0, p1), high01 = _mm256_unpackhi_epi8(p0, p1);
  const U8 low23 = _mm256_unpacklo_epi8(p2, p3), high23 = _mm256_unpackhi_epi8(p2, p3);
  out[0] = _mm256_unpacklo_epi16(low01, low23);
  out[1] = _mm256_unpackhi_epi16(low01, low23);
  out[2] = _mm256_unpacklo_epi16(high01, high23);
  out[3] = _mm256_unpackhi_epi16(high01, high23);
}

QG_INLINE __m256i pack_halves(I32 v0, I32 v1, I32 v2, I32 v3) {
  return _mm256_packus_epi16(_mm256_packs_epi32(v0, v1), _mm256_packs_epi32(v2, v3));
}

QG_INLINE void store_interleaved(uint8_t* p, const I32 (&v)[4], ptrdiff_t n) {
  store_codes(p, pack_halves(v[0], v[1], v[2], v[3]), n);
}

template <int NV>
QG_INLINE void store_columns(uint8_t* p, const I32 (&v)[NV], ptrdiff_t n) {
  const I32 zero = _mm256_setzero_si256();
  const I32 v1 = NV > 1 ? v[1 % NV] : zero, v2 = NV > 2 ? v[2 % NV] : zero,
            v3 = NV > 3 ? v[3 % NV] : zero;
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  store_codes(p, _mm256_permutevar8x32_epi32(pack_halves(v[0], v1, v2, v3), order), n);
}

constexpr int kTileRows = 4;
constexpr int kTileVectors = 2;

QG_END_AVX2

#endif
