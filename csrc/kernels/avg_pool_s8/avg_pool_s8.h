// y[b][oy][ox][c] = requantize(sum (x[b][iy][ix][c] - zx), mult) over iy in rows[oy], ix in
// cols[ox]
//
// mult = sx / (sy * float32(row_div[oy] * col_div[ox])), float32. x u8 [batch][h][w][channels]. A
// window of fewer than 2^31 / 255 pixels, else the sum could leave int32.
#pragma once

#include "codes.h"
#include "dispatch.h"
#include "kernels/conv2d_s8/window_rows.h"
#include "kernels/pool_windows.h"

namespace qg {

struct AvgPoolScales {
  const int32_t* row_div;  // [out_h], >= 1
  const int32_t* col_div;  // [out_w], >= 1
  float sx, sy;
  int32_t zx;
};

constexpr int64_t kMaxAvgPoolPixels = 8000000;

// Output pixels [begin, end), counted over the whole batch; disjoint ranges may run on different
// threads.
void avg_pool_s8(const Images& x, const PoolGrid& grid, const AvgPoolScales& scales,
                 const OutputCodes& out, uint8_t* y, ptrdiff_t begin, ptrdiff_t end);

struct AvgPoolS8Variant {
  // One output pixel of the image at `image`; `bias` is -count * zx.
  void (*pool)(const uint8_t* image, const Images& x, const PoolWindow& row, const PoolWindow& col,
               int32_t bias, float mult, const OutputCodes& out, uint8_t* y);
};

extern Dispatch<AvgPoolS8Variant> avg_pool_s8_variants;

}  // namespace qg
