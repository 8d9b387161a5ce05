// The loop over output pixels that the pooling kernels share.
#pragma once

#include "kernels/conv2d_s8/window_rows.h"
#include "kernels/pool_windows.h"

namespace qg {

// Calls pixel(image, oy, ox, y) for the output pixels [begin, end), counted over the whole batch.
template <class Pixel>
void for_each_pixel(const Images& x, const PoolGrid& grid, uint8_t* y, ptrdiff_t begin,
                    ptrdiff_t end, Pixel pixel) {
  const ptrdiff_t per_image = grid.out_h * grid.out_w;
  for (ptrdiff_t i = begin; i < end; ++i) {
    const ptrdiff_t image = i / per_image, within = i % per_image;
    pixel(x.data + image * x.h * x.w * x.channels, within / grid.out_w, within % grid.out_w,
          y + i * x.channels);
  }
}

}  // namespace qg
