// Batch norm in training, for each channel c over the n = outer * inner elements of
// x [outer][channels][inner]:
//
//   mean = sum(x) / n,  var = sum((x - mean)^2) / n          with the unrounded mean
//
//   dbias   = sum(g)
//   dweight = sum(g * (x - mean)) * inverse
//   dx      = (g - dbias / n) * a + (x - mean) * b
//             a = inverse * weight (or inverse),  b = -((a * inverse) * inverse) * (sum(...) / n)
//
// Sums are float64 lane sums with the inner axis fastest; what is stored, a, b and dbias / n are
// rounded to float32 once, and dx is float32 arithmetic. g, x, dx float32 [outer][channels][inner],
// the others float32 [channels]; weight may be null.
#pragma once

#include "dispatch.h"

namespace qg {

struct ChannelShape {
  ptrdiff_t outer, channels, inner;
};

void batch_norm_stats_f32(const float* x, const ChannelShape& shape, float* mean, float* var);

struct BatchNormGrads {
  float *dx, *dweight, *dbias;
};

void batch_norm_grads_f32(const float* g, const float* x, const ChannelShape& shape,
                          const float* mean, const float* inverse, const float* weight,
                          const BatchNormGrads& out);

struct BatchNormF32Variant {
  // Element i of x goes to lane (first + i) % 8 of the sum of x, or of (x - mean)^2.
  void (*sum)(const float* x, ptrdiff_t n, ptrdiff_t first, double* lanes);
  void (*squares)(const float* x, ptrdiff_t n, ptrdiff_t first, double mean, double* lanes);
  // The same for the sums of g and of g * (x - mean).
  void (*products)(const float* g, const float* x, ptrdiff_t n, ptrdiff_t first, double mean,
                   double* g_lanes, double* product_lanes);
  // dx = (g - shift) * a + (x - mean) * b
  void (*apply)(const float* g, const float* x, ptrdiff_t n, float shift, float a, float mean,
                float b, float* dx);
};

extern Dispatch<BatchNormF32Variant> batch_norm_f32_variants;

}  // namespace qg
