// reduce_f32 in the vocabulary of one instruction set; included inside its namespace.

#include "simd/functions.h"
#include "simd/lane_sum.h"

struct Sum {
  QG_INLINE F64 of(F64 acc, F64 x) { return acc + x; }
  QG_INLINE double of(double acc, double x) { return acc + x; }
};

struct Max {
  QG_INLINE F64 of(F64 acc, F64 x) { return (x > acc) | (x != x) ? x : acc; }
  QG_INLINE double of(double acc, double x) { return x > acc || x != x ? x : acc; }
};

template <class Function>
void reduce_run(const float* x, ptrdiff_t n, ptrdiff_t first, double* lanes) {
  ptrdiff_t i = 0;
  for (; i < n && (first + i) % kSumLanes != 0; ++i) {
    double& lane = lanes[(first + i) % kSumLanes];
    lane = Function::of(lane, static_cast<double>(x[i]));
  }
  F64 acc[kSumVectors];
  __builtin_memcpy(acc, lanes, sizeof acc);
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (int v = 0; v < kSumVectors; ++v)
      acc[v] = Function::of(acc[v], load_wide(x + i + v * kWide));
  }
  __builtin_memcpy(lanes, acc, sizeof acc);
  for (; i < n; ++i) {
    double& lane = lanes[(first + i) % kSumLanes];
    lane = Function::of(lane, static_cast<double>(x[i]));
  }
}

template <class Function>
void reduce_columns(const float* x, ptrdiff_t n, double* acc) {
  ptrdiff_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    F64 v;
    __builtin_memcpy(&v, acc + i, sizeof v);
    v = Function::of(v, load_wide(x + i));
    __builtin_memcpy(acc + i, &v, sizeof v);
  }
  for (; i < n; ++i) acc[i] = Function::of(acc[i], static_cast<double>(x[i]));
}

void run(bool sum, const float* x, ptrdiff_t n, ptrdiff_t first, double* lanes) {
  sum ? reduce_run<Sum>(x, n, first, lanes) : reduce_run<Max>(x, n, first, lanes);
}

void columns(bool sum, const float* x, ptrdiff_t n, double* acc) {
  sum ? reduce_columns<Sum>(x, n, acc) : reduce_columns<Max>(x, n, acc);
}

constexpr ReduceF32Variant kVariant = {run, columns};
