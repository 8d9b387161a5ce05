// y[p][oy][ox] = (float64 sum, from +0, of x[p][iy][ix] over iy in rows[oy], ix in cols[ox], row by
// row)
//                / (row_div[oy] * col_div[ox]), rounded once
//
// x float32 [planes][h][w].
#pragma once

#include "kernels/max_pool_f32/max_pool_f32.h"

namespace qg {

void avg_pool_f32(const FloatPlanes& x, const PoolGrid& grid, const int32_t* row_div,
                  const int32_t* col_div, float* y);

}  // namespace qg
