// The vocabulary without any instruction set: 128-bit vectors of the compiler's own, for every CPU.
//
// Each name means the same in csrc/simd/<isa>.h, only kLanes differs. A trailing count n (1 <= n <=
// kLanes) reads or writes that many elements and nothing behind them; the other lanes read as 0.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd/region.h"

#define QG_BEGIN_SCALAR  \
  namespace qg::scalar { \
  namespace {
#define QG_END_SCALAR \
  }                   \
  }

QG_BEGIN_SCALAR

constexpr ptrdiff_t kLanes = 4;

typedef int32_t I32 __attribute__((vector_size(16)));
typedef float F32 __attribute__((vector_size(16)));
typedef uint8_t U8 __attribute__((vector_size(16)));  // four codes a lane
typedef int8_t S8 __attribute__((vector_size(16)));   // four weights a lane

typedef int16_t Pairs __attribute__((vector_size(16)));
typedef uint8_t QuarterU8 __attribute__((vector_size(4)));
typedef int8_t QuarterS8 __attribute__((vector_size(4)));

// --- Moving

template <class Vector, class T>
QG_INLINE Vector read(const T* p, ptrdiff_t n) {
  Vector v = {};
  const size_t bytes = static_cast<size_t>(n) * sizeof(T);
  if (bytes == sizeof(Vector)) {
    std::memcpy(&v, p, sizeof(Vector));  // a constant size is one instruction
  } else {
    std::memcpy(&v, p, bytes);
  }
  return v;
}

template <class Vector, class T>
QG_INLINE void write(T* p, const Vector& v, ptrdiff_t n) {
  const size_t bytes = static_cast<size_t>(n) * sizeof(T);
  if (bytes == sizeof(Vector)) {
    std::memcpy(p, &v, sizeof(Vector));
  } else {
    std::memcpy(p, &v, bytes);
  }
}

QG_INLINE I32 splat(int32_t x) { return I32{x, x, x, x}; }
QG_INLINE F32 splat(float x) { return F32{x, x, x, x}; }

QG_INLINE I32 load(const int32_t* p) { return read<I32>(p, kLanes); }
QG_INLINE F32 load(const float* p) { return read<F32>(p, kLanes); }
QG_INLINE F32 load(const float* p, ptrdiff_t n) { return read<F32>(p, n); }
QG_INLINE S8 load_weights(const int8_t* p) { return read<S8>(p, 4 * kLanes); }
QG_INLINE void store(float* p, F32 v) { write(p, v, kLanes); }
QG_INLINE void store(float* p, F32 v, ptrdiff_t n) { write(p, v, n); }

// Bytes widened to lanes, and lanes that hold 0..255 or -128..127 narrowed to bytes.
QG_INLINE I32 widen(const uint8_t* p, ptrdiff_t n = kLanes) {
  return __builtin_convertvector(read<QuarterU8>(p, n), I32);
}
QG_INLINE I32 widen(const int8_t* p, ptrdiff_t n = kLanes) {
  return __builtin_convertvector(read<QuarterS8>(p, n), I32);
}
QG_INLINE void narrow(uint8_t* p, I32 v, ptrdiff_t n = kLanes) {
  write(p, __builtin_convertvector(v, QuarterU8), n);
}

// --- Arithmetic: every operation rounds once, to nearest even

QG_INLINE I32 add(I32 a, I32 b) { return a + b; }
QG_INLINE I32 sub(I32 a, I32 b) { return a - b; }
QG_INLINE F32 mul(F32 a, F32 b) { return a * b; }
QG_INLINE F32 div(F32 a, F32 b) { return a / b; }
QG_INLINE F32 min(F32 a, F32 b) { return a < b ? a : b; }
QG_INLINE F32 max(F32 a, F32 b) { return a > b ? a : b; }
QG_INLINE F32 fma(F32 a, F32 b, F32 c) {
  F32 y = {};
  QG_UNROLL
  for (int i = 0; i < kLanes; ++i) y[i] = std::fma(a[i], b[i], c[i]);
  return y;
}
QG_INLINE F32 to_float(I32 v) { return __builtin_convertvector(v, F32); }

typedef float HalfOfF32 __attribute__((vector_size(8)));
typedef double Doubles __attribute__((vector_size(16)));

// Half the lanes of an F32, in float64.
QG_INLINE Doubles to_double(HalfOfF32 v) { return __builtin_convertvector(v, Doubles); }
QG_INLINE HalfOfF32 to_single(Doubles v) { return __builtin_convertvector(v, HalfOfF32); }

// Half to even, for |v| <= 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
QG_INLINE I32 round_to_int(F32 v) {
  const F32 magic = splat(12582912.0f);
  const F32 shifted = v + magic;
  return reinterpret_cast<I32>(shifted) - reinterpret_cast<I32>(magic);
}

// `flags`, with every lane set where v is NaN; any() asks whether one was.
QG_INLINE I32 flag_nan(I32 flags, F32 v) { return flags | (v != v); }
QG_INLINE bool any(I32 flags) { return (flags[0] | flags[1] | flags[2] | flags[3]) != 0; }

// --- Dot products

// Four codes in every lane.
QG_INLINE U8 splat_codes(uint32_t four) {
  return reinterpret_cast<U8>(I32{} + static_cast<int32_t>(four));
}

// acc[l] += a[4l] * b[4l] + ... + a[4l + 3] * b[4l + 3], exact.
QG_INLINE void dot(I32& acc, U8 a, S8 b) {
  // A product of one code and one weight fits in 16 bits; a sum of two does not.
  const Pairs codes = reinterpret_cast<Pairs>(a), weights = reinterpret_cast<Pairs>(b);
  const Pairs even = (codes & 255) * ((weights << 8) >> 8);
  const Pairs odd = ((codes >> 8) & 255) * (weights >> 8);
  const I32 e = reinterpret_cast<I32>(even), o = reinterpret_cast<I32>(odd);
  acc += (((e << 16) >> 16) + (e >> 16)) + (((o << 16) >> 16) + (o >> 16));
}

// Up to 4 * kLanes codes, as bytes; n counts bytes.
QG_INLINE U8 load_codes(const uint8_t* p, ptrdiff_t n) { return read<U8>(p, n); }
QG_INLINE void store_codes(uint8_t* p, U8 v, ptrdiff_t n) { write(p, v, n); }
QG_INLINE U8 max_codes(U8 a, U8 b) { return a > b ? a : b; }

// Keeps an accumulator in a register where a compiler would not.
QG_INLINE void pin(I32&) {}

// Codes of 4 * kLanes channels at each of four pixels -> out[v] holds the four pixels' codes of
// channel kChannelOfLane[v * kLanes + l] in lane l. store_interleaved takes lanes in that order.
constexpr uint8_t kChannelOfLane[4 * kLanes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                8, 9, 10, 11, 12, 13, 14, 15};

QG_INLINE U8 zip_low(U8 a, U8 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
QG_INLINE U8 zip_high(U8 a, U8 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}
QG_INLINE U8 zip_low_pairs(U8 a, U8 b) {
  const Pairs x = reinterpret_cast<Pairs>(a), y = reinterpret_cast<Pairs>(b);
  return reinterpret_cast<U8>(__builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11));
}
QG_INLINE U8 zip_high_pairs(U8 a, U8 b) {
  const Pairs x = reinterpret_cast<Pairs>(a), y = reinterpret_cast<Pairs>(b);
  return reinterpret_cast<U8>(__builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15));
}

QG_INLINE void interleave(const uint8_t* const* pixels, ptrdiff_t stride, ptrdiff_t offset,
                          ptrdiff_t n, U8 (&out)[4]) {
  const U8 p0 = read<U8>(pixels[0] + offset, n);
  const U8 p1 = read<U8>(pixels[stride] + offset, n);
  const U8 p2 = read<U8>(pixels[2 * stride] + offset, n);
  const U8 p3 = read<U8>(pixels[3 * stride] + offset, n);
  const U8 low01 = zip_low(p0, p1), high01 = zip_high(p0, p1);
  const U8 low23 = zip_low(p2, p3), high23 = zip_high(p2, p3);
  out[0] = zip_low_pairs(low01, low23);
  out[1] = zip_high_pairs(low01, low23);
  out[2] = zip_low_pairs(high01, high23);
  out[3] = zip_high_pairs(high01, high23);
}

QG_INLINE void store_interleaved(uint8_t* p, const I32 (&v)[4], ptrdiff_t n) {
  struct {
    QuarterU8 quarters[4];
  } codes;
  QG_UNROLL
  for (int i = 0; i < 4; ++i) codes.quarters[i] = __builtin_convertvector(v[i], QuarterU8);
  write(p, codes, n);
}

// The first n of NV * kLanes columns, each lane 0..255.
template <int NV>
QG_INLINE void store_columns(uint8_t* p, const I32 (&v)[NV], ptrdiff_t n) {
  struct {
    QuarterU8 quarters[NV];
  } codes;
  QG_UNROLL
  for (int i = 0; i < NV; ++i) codes.quarters[i] = __builtin_convertvector(v[i], QuarterU8);
  write(p, codes, n);
}

// How many rows and how many vectors of columns of a GEMM tile fit in the registers.
constexpr int kTileRows = 4;
constexpr int kTileVectors = 2;

QG_END_SCALAR
