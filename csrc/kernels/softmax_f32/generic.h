// softmax_f32 in the vocabulary of one instruction set; included inside its namespace.

#include "simd/functions.h"
#include "simd/lane_sum.h"

// NaN wins.
QG_INLINE F64 larger(F64 a, F64 b) { return (a > b) | (a != a) ? a : b; }

QG_INLINE F64 get(const float* x, ptrdiff_t n) {
  return n >= kWide ? load_wide(x) : load_wide(x, n);
}
QG_INLINE void put(float* y, F64 v, ptrdiff_t n) {
  n >= kWide ? store_rounded(y, v) : store_rounded(y, v, n);
}

double row_max(const float* x, ptrdiff_t n) {
  F64 best = wide(static_cast<double>(x[0]));
  ptrdiff_t i = 0;
  for (; i + kWide <= n; i += kWide) best = larger(load_wide(x + i), best);
  double most = best[0];
  for (int l = 1; l < kWide; ++l) most = best[l] > most || best[l] != best[l] ? best[l] : most;
  for (; i < n; ++i) {
    const double v = static_cast<double>(x[i]);
    most = v > most || v != v ? v : most;
  }
  return most;
}

void softmax_row(const float* x, ptrdiff_t n, bool log_wanted, double* e, float* y) {
  const F64 most = wide(row_max(x, n));
  LaneSum sum = LaneSum::zero();
  ptrdiff_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    const F64 v = exp(load_wide(x + i) - most);
    __builtin_memcpy(e + i, &v, sizeof v);
    sum.lanes[i / kWide % kSumVectors] += v;
  }
  if (i < n) {
    F64 v = exp(load_wide(x + i, n - i) - most);
    for (ptrdiff_t l = n - i; l < kWide; ++l) v[l] = 0.0;
    __builtin_memcpy(e + i, &v, static_cast<size_t>(n - i) * sizeof(double));
    sum.lanes[i / kWide % kSumVectors] += v;
  }
  const F64 whole = wide(total(sum));
  const F64 log_whole = log_wanted ? log(whole) : whole;
  for (i = 0; i < n; i += kWide) {
    F64 v = wide(0.0);
    if (log_wanted) {
      v = (get(x + i, n - i) - most) - log_whole;
    } else {
      __builtin_memcpy(&v, e + i,
                       static_cast<size_t>(n - i < kWide ? n - i : kWide) * sizeof(double));
      v = v / whole;
    }
    put(y + i, v, n - i);
  }
}

// Each lane of the vectors is one column.
void softmax_columns(const float* x, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t columns,
                     bool log_wanted, double* e, float* y) {
  F64 most = get(x, columns);
  for (ptrdiff_t i = 1; i < n; ++i) most = larger(get(x + i * inner, columns), most);
  F64 lane[kSumLanes];
  for (int l = 0; l < kSumLanes; ++l) lane[l] = wide(0.0);
  for (ptrdiff_t i = 0; i < n; ++i) {
    const F64 v = exp(get(x + i * inner, columns) - most);
    __builtin_memcpy(e + i * kWide, &v, sizeof v);
    lane[i % kSumLanes] += v;
  }
  const F64 whole =
      ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  const F64 log_whole = log_wanted ? log(whole) : whole;
  for (ptrdiff_t i = 0; i < n; ++i) {
    F64 v;
    __builtin_memcpy(&v, e + i * kWide, sizeof v);
    v = log_wanted ? (get(x + i * inner, columns) - most) - log_whole : v / whole;
    put(y + i * inner, v, columns);
  }
}

constexpr SoftmaxF32Variant kVariant = {softmax_row, softmax_columns, kWide};
