// What an instruction set provides for matmul_f32 (and, through it, for conv2d_f32).
#pragma once

#include <cstddef>
#include <cstdint>

#include "dispatch.h"

namespace qg {

// Rows of the left operand: element (m, k) is data[m * row_stride + k].
struct RowsF32 {
  const float* data;
  ptrdiff_t count;
  ptrdiff_t row_stride;
};

// `depth` rows of the right operand, in panels of `panel_columns` columns: inside a panel, for each
// k, one value of each column. The last panel is as wide as the remaining columns, rounded up to
// `lanes`.
struct PanelsF32 {
  const float* data;
  ptrdiff_t depth;
  ptrdiff_t columns;  // without filling
};

// `depth` rows of a right operand whose columns are windows of images: row k of vector v (of
// `lanes` columns) is starts[v] + offsets[k]; with `halves`, its two halves have starts of their
// own. columns is a multiple of lanes.
struct RightWindowsF32 {
  const float* const* starts;
  const ptrdiff_t* offsets;
  ptrdiff_t depth;
  ptrdiff_t columns;
  bool halves;
};

// `count` rows of a left operand, each a chain of runs of `run` neighbouring elements: run r of row
// m is starts[r] + offsets[m].
struct LeftWindowsF32 {
  const float* const* starts;
  const ptrdiff_t* offsets;
  ptrdiff_t run;
  ptrdiff_t count;
};

struct MatmulF32Variant {
  ptrdiff_t panel_columns;
  ptrdiff_t lanes;
  // y[m][n] = fma chain over k of x[m][k] * w[k][n], from y itself if `continued`, else from 0;
  // bias[n] is added last, if there is one.
  void (*multiply)(const RowsF32& x, const PanelsF32& w, bool continued, const float* bias,
                   float* y, ptrdiff_t y_stride);
  void (*multiply_right_windows)(const RowsF32& x, const RightWindowsF32& w, bool continued,
                                 float* y, ptrdiff_t y_stride);
  // Adds to y; w.depth is a multiple of x.run.
  void (*multiply_left_windows)(const LeftWindowsF32& x, const PanelsF32& w, float* y,
                                ptrdiff_t y_stride);
  // One panel of `width` columns (the last ones filled with zeros), rows `step` apart:
  // panel[k * step + n] = w[n][k], for n < columns, w[n] = data + n * stride, k in [0, depth).
  void (*pack_transposed)(const float* data, ptrdiff_t stride, ptrdiff_t columns, ptrdiff_t width,
                          ptrdiff_t depth, float* panel, ptrdiff_t step);
};

extern Dispatch<MatmulF32Variant> matmul_f32_variants;

}  // namespace qg
