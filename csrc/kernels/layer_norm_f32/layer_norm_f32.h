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

struct LayerNormF32Variant {
  void (*row)(const float* x, ptrdiff_t size, const LayerNormTerms& terms, float* y);
};

extern Dispatch<LayerNormF32Variant> layer_norm_f32_variants;

}  // namespace qg
