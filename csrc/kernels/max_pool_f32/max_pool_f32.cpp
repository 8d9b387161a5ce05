#include "kernels/max_pool_f32/max_pool_f32.h"

namespace qg {

void max_pool_f32(const FloatPlanes& x, const PoolGrid& grid, float* y) {
  for (ptrdiff_t p = 0; p < x.planes; ++p) {
    const float* plane = x.data + p * x.h * x.w;
    for (ptrdiff_t i = 0; i < grid.out_h; ++i) {
      const PoolWindow& row = grid.rows[i];
      for (ptrdiff_t j = 0; j < grid.out_w; ++j) {
        const PoolWindow& col = grid.cols[j];
        float most = plane[row.start * x.w + col.start];
        for (ptrdiff_t iy = row.start; iy < row.stop; iy += row.step) {
          for (ptrdiff_t ix = col.start; ix < col.stop; ix += col.step) {
            const float v = plane[iy * x.w + ix];
            most = v > most || v != v ? v : most;
          }
        }
        *y++ = most + 0.0f;
      }
    }
  }
}

}  // namespace qg
