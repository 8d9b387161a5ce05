#include "kernels/max_pool_s8/max_pool_s8.h"

#include "kernels/pool_pixels.h"

namespace qg {

Dispatch<MaxPoolS8Variant> max_pool_s8_variants;

void max_pool_s8(const Images& x, const PoolGrid& grid, uint8_t* y, ptrdiff_t begin,
                 ptrdiff_t end) {
  const MaxPoolS8Variant& variant = max_pool_s8_variants.get();
  for_each_pixel(x, grid, y, begin, end,
                 [&](const uint8_t* image, ptrdiff_t oy, ptrdiff_t ox, uint8_t* pixel) {
                   variant.pool(image, x, grid.rows[oy], grid.cols[ox], pixel);
                 });
}

}  // namespace qg
