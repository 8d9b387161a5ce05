// What convolutions and their gradients share: groups, how many images to take at a time, and the
// product of weights and windows.
#pragma once

#include <algorithm>
#include <vector>

#include "aligned.h"
#include "kernels/conv2d_f32/im2col.h"
#include "kernels/matmul_f32/matmul_f32.h"
#include "parallel.h"

namespace qg {

inline ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }
inline size_t floats(ptrdiff_t n) { return static_cast<size_t>(std::max<ptrdiff_t>(n, 1)); }

// How many pieces of so many products each are worth waking a thread for.
inline ptrdiff_t grain_for(ptrdiff_t products) {
  return std::max<ptrdiff_t>(1, kProductsPerThread / std::max<ptrdiff_t>(1, products));
}

// One group: channels [first, first + count) of x give channels [first_out, ...) of y.
struct Group {
  ptrdiff_t first, count, first_out, outputs;
};

template <class Use>
void for_groups(const ConvSpec& spec, const Use& use) {
  const ptrdiff_t count = spec.in_channels / spec.groups, outputs = spec.out_channels / spec.groups;
  for (ptrdiff_t g = 0; g < spec.groups; ++g) use(Group{g * count, count, g * outputs, outputs});
}

inline WindowsF32 of_group(WindowsF32 x, const Group& group) {
  x.planes.first = group.first, x.planes.count = group.count;
  return x;
}

// Images that are worked on together: enough to fill blocks of columns, few enough for the cache.
// No bit depends on it.
inline ptrdiff_t images_at_once(ptrdiff_t pixels) {
  constexpr ptrdiff_t kPixels = 16 * kColumnBlockF32;
  return std::max<ptrdiff_t>(1, kPixels / std::max<ptrdiff_t>(1, pixels));
}

// Images for one thread at a time, which fill blocks of columns; 0 if there is one thread.
inline ptrdiff_t images_of_a_thread(ptrdiff_t batch, ptrdiff_t pixels) {
  if (thread_count() == 1 || pixels == 0) return 0;
  const ptrdiff_t full = std::max<ptrdiff_t>(1, kColumnBlockF32 / pixels);
  const ptrdiff_t share = batch / (4 * thread_count()) / full * full;
  return std::min(images_at_once(pixels), std::max(full, share));
}

// products[m][j] = chain over k of rows[m][k] * column j of the window matrix, for `columns` pixels
// from `begin` on, a multiple of every vector's length.
class WindowProduct {
 public:
  WindowProduct(ptrdiff_t depth, ptrdiff_t most_columns)
      : depth_(depth), variant_(matmul_f32_variants.get()),
        panels_(floats(round_up(most_columns, variant_.lanes) * std::min(depth, kDepthBlockF32))) {}

  void run(const WindowsF32& x, ptrdiff_t begin, ptrdiff_t columns, const float* rows,
           ptrdiff_t count, float* products, ptrdiff_t stride) {
    const ptrdiff_t half = variant_.lanes / 2, width = x.spec.out_w(x.planes.w);
    if (windows_in_place(x) && width % half == 0 && columns % variant_.lanes == 0) {
      const bool halves = width % variant_.lanes != 0;
      return run_in_place(x, begin, columns, halves, rows, count, products, stride);
    }
    const ptrdiff_t panel = variant_.panel_columns, rest = columns % panel;
    const Im2colBlock block{columns, panel, rest == 0 ? panel : round_up(rest, variant_.lanes)};
    const std::vector<PixelRun> runs = pixel_runs(x, begin, columns, panel);
    const ptrdiff_t step = depth_block_f32(depth_);
    for (ptrdiff_t k = 0; k < depth_; k += step) {
      const ptrdiff_t depth = std::min(step, depth_ - k);
      im2col_panels(x, runs, block, k, depth, panels_.data());
      variant_.multiply({rows + k, count, depth_}, {panels_.data(), depth, columns}, k > 0, nullptr,
                        products, stride);
    }
  }

 private:
  // Every vector of columns, or each of its halves, lies in one row of one image: nothing is
  // copied.
  void run_in_place(const WindowsF32& x, ptrdiff_t begin, ptrdiff_t columns, bool halves,
                    const float* rows, ptrdiff_t count, float* products, ptrdiff_t stride) const {
    std::vector<const float*> starts;
    for (ptrdiff_t j = 0; j < columns; j += halves ? variant_.lanes / 2 : variant_.lanes) {
      starts.push_back(window_start(x, begin + j));
    }
    const std::vector<ptrdiff_t> offsets = window_offsets(x, 0, depth_);
    const ptrdiff_t step = depth_block_f32(depth_);
    for (ptrdiff_t k = 0; k < depth_; k += step) {
      const ptrdiff_t depth = std::min(step, depth_ - k);
      variant_.multiply_right_windows({rows + k, count, depth_},
                                      {starts.data(), offsets.data() + k, depth, columns, halves},
                                      k > 0, products, stride);
    }
  }

  ptrdiff_t depth_;
  const MatmulF32Variant& variant_;
  AlignedVector<float> panels_;
};

}  // namespace qg
