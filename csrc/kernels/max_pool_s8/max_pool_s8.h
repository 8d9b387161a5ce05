// y[b][oy][ox][c] = max of x[b][iy][ix][c] over iy in rows[oy], ix in cols[ox]
//
// x u8 [batch][h][w][channels]; y has x's scale and zero point, so the codes compare as they are.
#pragma once

#include "dispatch.h"
#include "kernels/conv2d_s8/window_rows.h"
#include "kernels/pool_windows.h"

namespace qg {

// Output pixels [begin, end), counted over the whole batch; disjoint ranges may run on different
// threads.
void max_pool_s8(const Images& x, const PoolGrid& grid, uint8_t* y, ptrdiff_t begin, ptrdiff_t end);

struct MaxPoolS8Variant {
  // One output pixel of the image at `image`.
  void (*pool)(const uint8_t* image, const Images& x, const PoolWindow& row, const PoolWindow& col,
               uint8_t* y);
};

extern Dispatch<MaxPoolS8Variant> max_pool_s8_variants;

}  // namespace qg
