#include "kernels/max_pool_f32/max_pool_f32.h"

#include <algorithm>

#include "parallel.h"

namespace qg {

void max_pool_f32(const FloatPlanes& x, const PoolGrid& grid, float* y) {
  const ptrdiff_t pixels = x.h * x.w, outputs = grid.out_h * grid.out_w;
  const ptrdiff_t grain =
      std::max<ptrdiff_t>(1, kComputedElements / std::max<ptrdiff_t>(1, pixels));
  parallel_for(x.planes, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    float* to = y + begin * outputs;
    for (ptrdiff_t p = begin; p < end; ++p) {
      const float* plane = x.data + p * pixels;
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
          *to++ = most + 0.0f;
        }
      }
    }
  });
}

}  // namespace qg
