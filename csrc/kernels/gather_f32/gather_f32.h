// gather:       y[o][m][i] = x[o][places[o][m][i]][i]
// scatter_add:  y[o][places[o][m][i]][i] += g[o][m][i] for m ascending, its transpose
//
// x float32 [outer][size][inner], places int64 [outer][count][inner] in [0, size), g as places.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qg {

struct GatherShape {
  ptrdiff_t outer, size, count, inner;
};

void gather_f32(const float* x, const int64_t* places, const GatherShape& shape, float* y);

void scatter_add_f32(const float* g, const int64_t* places, const GatherShape& shape, float* y);

}  // namespace qg
