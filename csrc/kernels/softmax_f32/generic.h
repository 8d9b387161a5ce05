// softmax_f32 in the vocabulary of one instruction set; included inside its namespace.

#include "simd/functions.h"
#include "simd/functions_f32.h"
#include "simd/lane_sum.h"

// NaN wins.
QG_INLINE F32 larger(F32 a, F32 b) { return (a > b) | (a != a) ? a : b; }

QG_INLINE F32 single(const float* x, ptrdiff_t n) { return n >= kLanes ? load(x) : load(x, n); }
QG_INLINE void put(float* y, F32 v, ptrdiff_t n) { n >= kLanes ? store(y, v) : store(y, v, n); }
QG_INLINE void put(float* y, F64 v, ptrdiff_t n) {
  n >= kWide ? store_rounded(y, v) : store_rounded(y, v, n);
}

float row_max(const float* x, ptrdiff_t n) {
  F32 best = splat(x[0]);
  ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) best = larger(load(x + i), best);
  float most = best[0];
  for (int l = 1; l < kLanes; ++l) most = best[l] > most || best[l] != best[l] ? best[l] : most;
  for (; i < n; ++i) most = x[i] > most || x[i] != x[i] ? x[i] : most;
  return most;
}

QG_INLINE void add_lanes(LaneSum& sum, const float* x, ptrdiff_t n) {
  for_lane_vectors(n, [&](int v, ptrdiff_t i, ptrdiff_t count)
                          QG_INLINED { sum.lanes[v] += get(x + i, count); });
}

void softmax_row(const float* x, ptrdiff_t n, bool log_wanted, float* y) {
  constexpr ptrdiff_t kBlock = 64;  // whole lanes
  const float top = row_max(x, n);
  const F32 most = splat(top);
  LaneSum sum = LaneSum::zero();
  for (ptrdiff_t begin = 0; begin < n; begin += kBlock) {
    const ptrdiff_t count = n - begin < kBlock ? n - begin : kBlock;
    float block[kBlock];
    float* const e = log_wanted ? block : y + begin;
    for (ptrdiff_t i = 0; i < count; i += kLanes) {
      put(e + i, exp_difference(single(x + begin + i, count - i), most), count - i);
    }
    add_lanes(sum, e, count);
  }
  const double whole = total(sum);
  if (log_wanted) {
    const F64 log_whole = log(wide(whole)), wide_top = wide(static_cast<double>(top));
    for (ptrdiff_t i = 0; i < n; i += kWide) {
      put(y + i, (get(x + i, n - i) - wide_top) - log_whole, n - i);
    }
    return;
  }
  const F32 divisor = splat(static_cast<float>(whole));
  for (ptrdiff_t i = 0; i < n; i += kLanes) put(y + i, single(y + i, n - i) / divisor, n - i);
}

// Each lane of the vectors is one column.
void softmax_columns(const float* x, ptrdiff_t n, ptrdiff_t inner, ptrdiff_t columns,
                     bool log_wanted, float* y) {
  F32 most = single(x, columns);
  for (ptrdiff_t i = 1; i < n; ++i) most = larger(single(x + i * inner, columns), most);
  F64 lane[kSumLanes];
  for (int l = 0; l < kSumLanes; ++l) lane[l] = wide(0.0);
  for (ptrdiff_t i = 0; i < n; ++i) {
    float spare[kLanes];
    float* const e = log_wanted ? spare : y + i * inner;
    put(e, exp_difference(single(x + i * inner, columns), most), columns);
    lane[i % kSumLanes] += get(e, columns);
  }
  const F64 whole =
      ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
  float rounded[kLanes] = {};
  if (log_wanted) {
    put(rounded, most, columns);
    const F64 log_whole = log(whole), wide_most = get(rounded, columns);
    for (ptrdiff_t i = 0; i < n; ++i) {
      put(y + i * inner, (get(x + i * inner, columns) - wide_most) - log_whole, columns);
    }
    return;
  }
  put(rounded, whole, columns);
  const F32 divisor = single(rounded, columns);
  for (ptrdiff_t i = 0; i < n; ++i) {
    put(y + i * inner, single(y + i * inner, columns) / divisor, columns);
  }
}

void softmax_row_dx(const float* g, const float* y, ptrdiff_t n, float* dx) {
  LaneSum sum = LaneSum::zero();
  for_lane_vectors(n, [&](int v, ptrdiff_t i, ptrdiff_t count)
                          QG_INLINED { sum.lanes[v] += get(g + i, count) * get(y + i, count); });
  const F32 mean = splat(static_cast<float>(total(sum)));
  for (ptrdiff_t i = 0; i < n; i += kLanes) {
    put(dx + i, single(y + i, n - i) * (single(g + i, n - i) - mean), n - i);
  }
}

constexpr SoftmaxF32Variant kVariant = {softmax_row, softmax_columns, softmax_row_dx, kWide};
