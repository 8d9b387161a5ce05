// y[p][oy][ox] = max of x[p][iy][ix] over iy in rows[oy], ix in cols[ox]; NaN wins, zero is +0
//
// x float32 [planes][h][w], planes being batch * channels.
#pragma once

#include "kernels/pool_windows.h"

namespace qg {

struct FloatPlanes {
  const float* data;
  ptrdiff_t planes, h, w;
};

void max_pool_f32(const FloatPlanes& x, const PoolGrid& grid, float* y);

// dx[p] = 0, plus g[p][oy][ox] where its window has its first largest element (NaN: its last NaN),
// windows in order. g as y, dx as x.
void max_pool_dinput_f32(const float* g, const FloatPlanes& x, const PoolGrid& grid, float* dx);

}  // namespace qg
