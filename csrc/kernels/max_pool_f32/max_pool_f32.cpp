#include "kernels/max_pool_f32/max_pool_f32.h"

#include <algorithm>
#include <cstring>

#include "parallel.h"

namespace qg {
namespace {

// The largest element so far, and where it is. Written so that no compiler makes a branch of it,
// which would be a guess.
struct Largest {
  float value;
  ptrdiff_t place;

  void meet(float v, ptrdiff_t at) {
    const ptrdiff_t mask = -static_cast<ptrdiff_t>((v > value) | (v != v));
    place ^= (place ^ at) & mask;
    int32_t bits, new_bits;
    std::memcpy(&bits, &value, sizeof bits);
    std::memcpy(&new_bits, &v, sizeof bits);
    bits ^= (bits ^ new_bits) & static_cast<int32_t>(mask);
    std::memcpy(&value, &bits, sizeof bits);
  }
};

// Calls use(output, largest) for every window of one plane, in order.
template <class Use>
void for_windows(const float* plane, ptrdiff_t w, const PoolGrid& grid, const Use& use) {
  ptrdiff_t output = 0;
  for (ptrdiff_t i = 0; i < grid.out_h; ++i) {
    const PoolWindow& row = grid.rows[i];
    for (ptrdiff_t j = 0; j < grid.out_w; ++j, ++output) {
      const PoolWindow& col = grid.cols[j];
      const ptrdiff_t first = row.start * w + col.start;
      Largest largest{plane[first], first};
      for (ptrdiff_t iy = row.start; iy < row.stop; iy += row.step) {
        for (ptrdiff_t ix = col.start; ix < col.stop; ix += col.step) {
          largest.meet(plane[iy * w + ix], iy * w + ix);
        }
      }
      use(output, largest);
    }
  }
}

ptrdiff_t grain_for(ptrdiff_t pixels) {
  return std::max<ptrdiff_t>(1, kComputedElements / std::max<ptrdiff_t>(1, pixels));
}

}  // namespace

void max_pool_f32(const FloatPlanes& x, const PoolGrid& grid, float* y) {
  const ptrdiff_t pixels = x.h * x.w, outputs = grid.out_h * grid.out_w;
  parallel_for(x.planes, grain_for(pixels), [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t p = begin; p < end; ++p) {
      float* to = y + p * outputs;
      for_windows(x.data + p * pixels, x.w, grid, [&](ptrdiff_t output, const Largest& largest) {
        to[output] = largest.value + 0.0f;
      });
    }
  });
}

void max_pool_dinput_f32(const float* g, const FloatPlanes& x, const PoolGrid& grid, float* dx) {
  const ptrdiff_t pixels = x.h * x.w, outputs = grid.out_h * grid.out_w;
  parallel_for(x.planes, grain_for(pixels), [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t p = begin; p < end; ++p) {
      const float* from = g + p * outputs;
      float* to = dx + p * pixels;
      std::fill(to, to + pixels, 0.0f);
      for_windows(x.data + p * pixels, x.w, grid, [&](ptrdiff_t output, const Largest& largest) {
        to[largest.place] += from[output];
      });
    }
  });
}

}  // namespace qg
