// Convolution windows as columns of a matrix, in the panels that matmul_f32 multiplies.
#pragma once

#include <vector>

#include "aligned.h"
#include "kernels/conv2d_s8/window_rows.h"
#include "kernels/matmul_f32/matmul_f32.h"

namespace qg {

// A batch of float images [batch][channels][h][w], of which `count` channels from `first` on are
// used.
struct PlanesF32 {
  const float* data;
  ptrdiff_t batch, channels, h, w;
  ptrdiff_t first, count;
};

// What im2col reads: images and how windows lie in them. If `part` is not 0, the columns of a row
// are parted by the stride, column x at (x % stride_w) * part + x / stride_w, so that what one tap
// reads for neighbouring outputs lies side by side.
struct WindowsF32 {
  ConvSpec spec;
  PlanesF32 planes;
  ptrdiff_t part = 0;
  ptrdiff_t plane_size = 0;  // of one channel; 0: as many rows as `planes` says

  ptrdiff_t plane() const { return plane_size == 0 ? planes.h * row() : plane_size; }
  ptrdiff_t row() const { return part == 0 ? planes.w : part * spec.stride_w; }
  ptrdiff_t column(ptrdiff_t x) const {
    return part == 0 ? x : x % spec.stride_w * part + x / spec.stride_w;
  }
};

// The same windows over images that hold their zeros, copied to `memory`, so that no window leaves
// them; as they are if nothing is padded or if the zeros would be much more than the images. Where
// windows are single pixels side by side, the images become one row.
WindowsF32 padded_windows(const ConvSpec& spec, const PlanesF32& x, AlignedVector<float>& memory);

// Output pixels beside one another in one row of one image: columns [column, column + count) of a
// block.
struct PixelRun {
  ptrdiff_t column, count;
  ptrdiff_t image, oy, ox;
};

// The runs of output pixels [begin, begin + count), counted over the whole batch; none crosses a
// multiple of `panel` columns.
std::vector<PixelRun> pixel_runs(const WindowsF32& x, ptrdiff_t begin, ptrdiff_t count,
                                 ptrdiff_t panel);

// Row k = (channel, kernel row, kernel column) of the matrix at pixel p is the input under that
// tap, 0 outside. Writes rows [k_begin, k_begin + depth) and the columns of `runs`: column j of
// panel p of row k to out[p * panel * depth + k * width + j], width being `panel` or, in the last
// panel, `last_width`. Columns that no run covers are set to 0.
struct Im2colBlock {
  ptrdiff_t columns, panel, last_width;
};
void im2col_panels(const WindowsF32& x, const std::vector<PixelRun>& runs, const Im2colBlock& block,
                   ptrdiff_t k_begin, ptrdiff_t depth, float* out);

// Whether the pixels that one tap reads for neighbouring outputs always lie side by side, so that
// the matrix can be read where it is: row k of the window at output pixel p is
// window_start(x, p) + window_offsets(x, ...)[k].
bool windows_in_place(const WindowsF32& x);

// For rows [k_begin, k_begin + depth).
std::vector<ptrdiff_t> window_offsets(const WindowsF32& x, ptrdiff_t k_begin, ptrdiff_t depth);

// Output pixel `pixel`, counted over the whole batch.
const float* window_start(const WindowsF32& x, ptrdiff_t pixel);

}  // namespace qg
