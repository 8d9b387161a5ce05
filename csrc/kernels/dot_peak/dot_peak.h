// Dot products on registers and nothing else: the peak that benchmarks compare a kernel with.
#pragma once

#include "dispatch.h"

namespace qg {

struct DotPeakVariant {
  ptrdiff_t dots;   // dot products in one iteration
  ptrdiff_t lanes;  // lanes of each; a lane multiplies and adds four times
  // codes u8 [64], weights s8 [64]; returns a sum that depends on every dot product.
  int32_t (*run)(const uint8_t* codes, const int8_t* weights, int64_t iterations);
};

extern Dispatch<DotPeakVariant> dot_peak_variants;

}  // namespace qg
