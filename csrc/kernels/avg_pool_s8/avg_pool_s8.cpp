#include "kernels/avg_pool_s8/avg_pool_s8.h"

#include "kernels/pool_pixels.h"

namespace qg {

Dispatch<AvgPoolS8Variant> avg_pool_s8_variants;

void avg_pool_s8(const Images& x, const PoolGrid& grid, const AvgPoolScales& scales,
                 const OutputCodes& out, uint8_t* y, ptrdiff_t begin, ptrdiff_t end) {
  const AvgPoolS8Variant& variant = avg_pool_s8_variants.get();
  for_each_pixel(x, grid, y, begin, end,
                 [&](const uint8_t* image, ptrdiff_t oy, ptrdiff_t ox, uint8_t* pixel) {
                   const PoolWindow &row = grid.rows[oy], &col = grid.cols[ox];
                   const int64_t divisor = int64_t{scales.row_div[oy]} * scales.col_div[ox];
                   const float mult = scales.sx / (scales.sy * static_cast<float>(divisor));
                   const int32_t bias = -row.count() * col.count() * scales.zx;
                   variant.pool(image, x, row, col, bias, mult, out, pixel);
                 });
}

}  // namespace qg
