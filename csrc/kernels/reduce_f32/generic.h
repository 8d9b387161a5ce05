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

// A few rows at once, so that the sums are read and written less often.
template <class Function, int kRows>
void join_rows(const float* const* rows, ptrdiff_t n, double* acc) {
  const float* x[kRows];
  QG_UNROLL
  for (int r = 0; r < kRows; ++r) x[r] = rows[r];
  ptrdiff_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    F64 v;
    __builtin_memcpy(&v, acc + i, sizeof v);
    QG_UNROLL
    for (int r = 0; r < kRows; ++r) v = Function::of(v, load_wide(x[r] + i));
    __builtin_memcpy(acc + i, &v, sizeof v);
  }
  for (; i < n; ++i) {
    for (int r = 0; r < kRows; ++r) acc[i] = Function::of(acc[i], static_cast<double>(x[r][i]));
  }
}

template <class Function>
void reduce_columns(const float* const* rows, ptrdiff_t count, ptrdiff_t n, double* acc) {
  ptrdiff_t r = 0;
  for (; r + 4 <= count; r += 4) join_rows<Function, 4>(rows + r, n, acc);
  for (; r < count; ++r) join_rows<Function, 1>(rows + r, n, acc);
}

void run(bool sum, const float* x, ptrdiff_t n, ptrdiff_t first, double* lanes) {
  sum ? reduce_run<Sum>(x, n, first, lanes) : reduce_run<Max>(x, n, first, lanes);
}

void columns(bool sum, const float* const* rows, ptrdiff_t count, ptrdiff_t n, double* acc) {
  sum ? reduce_columns<Sum>(rows, count, n, acc) : reduce_columns<Max>(rows, count, n, acc);
}

constexpr ReduceF32Variant kVariant = {run, columns};
