// y[b][oy][ox][o] = requantize(bias[o] + sum_{ky,kx,c} (x[b][iy][ix][g*C/G + c] - zx) *
// w[o][ky][kx][c], mult[o])
//
// with iy = oy * stride_h - pad_top + ky * dilation_h, ix alike, g = o / (O/G); pixels outside hold
// zx. x u8 [B][H][W][C], w s8 [O][kernel_h][kernel_w][C/G], bias s32 [O], mult f32 [O], y u8
// [B][OH][OW][O].
#pragma once

#include <optional>
#include <vector>

#include "kernels/conv2d_s8/window_rows.h"
#include "kernels/depthwise_s8/depthwise_s8.h"
#include "kernels/gemm_s8/packed_weights.h"

namespace qg {

class PackedConv {
 public:
  // The caller has checked the spec: positive sizes, groups divides both channel counts, pads >= 0.
  // Throws like PackedWeights.
  PackedConv(const ConvSpec& spec, const int8_t* weights, const int32_t* bias, const float* mult,
             int32_t zx, const OutputCodes& out);

  // Output pixels [begin, end) of y, counted over the whole batch (there are batch * out_h *
  // out_w); disjoint ranges may run on different threads, each with its own scratch of
  // scratch_bytes(), aligned to 8 bytes.
  void run(const Images& x, uint8_t* y, ptrdiff_t begin, ptrdiff_t end, uint8_t* scratch) const;
  size_t scratch_bytes() const;

  const ConvSpec& spec() const { return spec_; }
  bool current() const;
  size_t bytes() const;

 private:
  void run_block(const Images& x, uint8_t* y, ptrdiff_t begin, ptrdiff_t count,
                 uint8_t* scratch) const;

  ConvSpec spec_;
  ptrdiff_t block_;                 // output pixels handed to the GEMM at once
  AlignedVector<uint8_t> padding_;  // one pixel of zx
  std::vector<PackedWeights> groups_;
  std::optional<PackedDepthwise> depthwise_;  // instead of groups_
};

}  // namespace qg
