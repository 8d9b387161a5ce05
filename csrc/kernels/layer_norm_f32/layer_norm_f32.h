// y = ((x - mean) * (1 / sqrt(variance + eps))) * weight + bias
//
// over each row of x float32 [rows][size], in float64, rounded once; mean and variance are lane
// sums over size. weight and bias float32 [size] or null; y may be x.
#pragma once

#include "dispatch.h"

namespace qg {

struct LayerNormTerms {
  const float* weight;
  const float* bias;
  double eps;
};

void layer_norm_f32(const float* x, ptrdiff_t rows, ptrdiff_t size, const LayerNormTerms& terms,
                    float* y);

// With n = (x - mean) * inverse, inverse = 1 / sqrt(variance + eps) and h = g * weight:
//
//   dx = inverse * ((h - sum(h) / size) - n * (sum(h * n) / size))    of each row, rounded once
//   dweight[i] = sum over rows of g * n,  dbias[i] = sum over rows of g
//
// in float64; sums over a row are lane sums over its elements, sums over rows are lane sums over
// them. dweight and dbias [size].
struct LayerNormGrads {
  float* dx;
  float* dweight;
  float* dbias;
};
void layer_norm_grads_f32(const float* g, const float* x, ptrdiff_t rows, ptrdiff_t size,
                          const LayerNormTerms& terms, const LayerNormGrads& out);

struct RowScale {
  double mean, inverse;
};

struct LayerNormF32Variant {
  void (*row)(const float* x, ptrdiff_t size, const LayerNormTerms& terms, float* y);
  // dx of one row, and its scale.
  RowScale (*row_dx)(const float* g, const float* x, ptrdiff_t size, const LayerNormTerms& terms,
                     float* dx);
  // weight_sums[i] += g * n, bias_sums[i] += g for i in [0, columns).
  void (*add_row)(const float* g, const float* x, ptrdiff_t columns, const RowScale& scale,
                  double* weight_sums, double* bias_sums);
};

extern Dispatch<LayerNormF32Variant> layer_norm_f32_variants;

}  // namespace qg
