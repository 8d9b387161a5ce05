// layer_norm_f32 in the vocabulary of one instruction set; included inside its namespace.

#include "simd/functions.h"
#include "simd/lane_sum.h"

struct Value {
  QG_INLINE F64 of(F64 x, double) { return x; }
};

struct SquaredDistance {
  QG_INLINE F64 of(F64 x, double mean) { return (x - mean) * (x - mean); }
};

// The lane sum of a function of x[i] and the mean; lanes past the end add nothing.
template <class Function>
QG_INLINE double row_sum(const float* x, ptrdiff_t n, double mean) {
  LaneSum sum = LaneSum::zero();
  ptrdiff_t i = 0;
  for (; i + kWide <= n; i += kWide)
    sum.lanes[i / kWide % kSumVectors] += Function::of(load_wide(x + i), mean);
  if (i < n) {
    F64 v = Function::of(load_wide(x + i, n - i), mean);
    for (ptrdiff_t l = n - i; l < kWide; ++l) v[l] = 0.0;
    sum.lanes[i / kWide % kSumVectors] += v;
  }
  return total(sum);
}

QG_INLINE F64 normalized(F64 x, double mean, double inverse, const LayerNormTerms& t, ptrdiff_t i,
                         ptrdiff_t n) {
  F64 y = (x - mean) * inverse;
  if (t.weight != nullptr)
    y = y * (n >= kWide ? load_wide(t.weight + i) : load_wide(t.weight + i, n));
  if (t.bias != nullptr) y = y + (n >= kWide ? load_wide(t.bias + i) : load_wide(t.bias + i, n));
  return y;
}

void layer_norm_row(const float* x, ptrdiff_t size, const LayerNormTerms& terms, float* y) {
  const double count = static_cast<double>(size);
  const double mean = row_sum<Value>(x, size, 0.0) / count;
  const double variance = row_sum<SquaredDistance>(x, size, mean) / count;
  const double inverse = 1.0 / __builtin_sqrt(variance + terms.eps);
  ptrdiff_t i = 0;
  for (; i + kWide <= size; i += kWide) {
    store_rounded(y + i, normalized(load_wide(x + i), mean, inverse, terms, i, kWide));
  }
  if (i < size) {
    const ptrdiff_t n = size - i;
    store_rounded(y + i, normalized(load_wide(x + i, n), mean, inverse, terms, i, n), n);
  }
}

constexpr LayerNormF32Variant kVariant = {layer_norm_row};
