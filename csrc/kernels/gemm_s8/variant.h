// What an instruction set provides for gemm_s8 (and, through it, for conv2d_s8).
#pragma once

#include <cstddef>
#include <cstdint>

#include "codes.h"
#include "dispatch.h"

namespace qg {

// Rows of the left operand by pointer: row r of tap t starts at rows[t * tap_stride + r] and holds
// tap_bytes codes. A plain matrix is one tap; a convolution has one per kernel position. Only the
// codes themselves are read.
struct RowBlock {
  const uint8_t* const* rows;
  ptrdiff_t count;
  ptrdiff_t tap_stride;
  ptrdiff_t taps;
  ptrdiff_t tap_bytes;
};

// Weights in panels of `panel_columns` columns. Inside a panel: for each four consecutive k (each
// tap filled up to a multiple of four with zeros), for each column, the four weights. The last
// panel is as wide as the remaining columns, rounded up to `lanes`.
struct GemmPanels {
  const int8_t* weights;
  const int32_t*
      bias;           // bias[n] - zx * sum_k w[n][k]; as many as columns in all panels, zero-filled
  const float* mult;  // as many as bias
  ptrdiff_t columns;  // n, without filling
  ptrdiff_t depth;    // taps * round_up(tap_bytes, 4)
};

struct GemmS8Variant {
  ptrdiff_t panel_columns;
  ptrdiff_t lanes;
  // y[r][n] = requantize(bias[n] + sum_k x[r][k] * w[n][k]) for every row of the block.
  void (*multiply)(const RowBlock& x, const GemmPanels& w, const OutputCodes& out, uint8_t* y,
                   ptrdiff_t y_stride);
};

extern Dispatch<GemmS8Variant> gemm_s8_variants;

}  // namespace qg
