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
  for_lane_vectors(n, [&](int v, ptrdiff_t i, ptrdiff_t count) QG_INLINED {
    sum.lanes[v] += first_lanes(Function::of(get(x + i, count), mean), count);
  });
  return total(sum);
}

QG_INLINE F64 normalized(F64 x, double mean, double inverse, const LayerNormTerms& t, ptrdiff_t i,
                         ptrdiff_t n) {
  F64 y = (x - mean) * inverse;
  if (t.weight != nullptr) y = y * get(t.weight + i, n);
  if (t.bias != nullptr) y = y + get(t.bias + i, n);
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

// g * weight; lanes past the end are 0.
QG_INLINE F64 weighted(const float* g, const LayerNormTerms& t, ptrdiff_t i, ptrdiff_t n) {
  const F64 h = get(g + i, n);
  return t.weight == nullptr ? h : h * get(t.weight + i, n);
}

RowScale layer_norm_row_dx(const float* g, const float* x, ptrdiff_t size,
                           const LayerNormTerms& terms, float* dx) {
  const double count = static_cast<double>(size);
  const double mean = row_sum<Value>(x, size, 0.0) / count;
  const double variance = row_sum<SquaredDistance>(x, size, mean) / count;
  const double inverse = 1.0 / __builtin_sqrt(variance + terms.eps);
  LaneSum sum = LaneSum::zero(), products = LaneSum::zero();
  for_lane_vectors(size, [&](int v, ptrdiff_t i, ptrdiff_t count) QG_INLINED {
    const F64 h = weighted(g, terms, i, count);
    sum.lanes[v] += h;
    products.lanes[v] += first_lanes(h * ((get(x + i, count) - mean) * inverse), count);
  });
  const double shift = total(sum) / count, slope = total(products) / count;
  for (ptrdiff_t i = 0; i < size; i += kWide) {
    const F64 h = weighted(g, terms, i, size - i);
    const F64 n = (get(x + i, size - i) - mean) * inverse;
    const F64 y = inverse * ((h - shift) - n * slope);
    size - i >= kWide ? store_rounded(dx + i, y) : store_rounded(dx + i, y, size - i);
  }
  return {mean, inverse};
}

void layer_norm_add_row(const float* g, const float* x, ptrdiff_t columns, const RowScale& scale,
                        double* weight_sums, double* bias_sums) {
  ptrdiff_t i = 0;
  for (; i + kWide <= columns; i += kWide) {
    F64 w, b;
    __builtin_memcpy(&w, weight_sums + i, sizeof w);
    __builtin_memcpy(&b, bias_sums + i, sizeof b);
    const F64 wide_g = load_wide(g + i);
    w += wide_g * ((load_wide(x + i) - scale.mean) * scale.inverse);
    b += wide_g;
    __builtin_memcpy(weight_sums + i, &w, sizeof w);
    __builtin_memcpy(bias_sums + i, &b, sizeof b);
  }
  for (; i < columns; ++i) {
    const double wide_g = static_cast<double>(g[i]);
    weight_sums[i] += wide_g * ((static_cast<double>(x[i]) - scale.mean) * scale.inverse);
    bias_sums[i] += wide_g;
  }
}

constexpr LayerNormF32Variant kVariant = {layer_norm_row, layer_norm_row_dx, layer_norm_add_row};
