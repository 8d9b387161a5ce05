// y[b][oy][ox][c] = requantize(bias[c] + sum_t (x[b][pixel under tap t][c] - zx) * w[c][t],
// mult[c])
//
// The convolution with one input and one output channel per group; x and y are u8 [B][H][W][C].
#pragma once

#include "aligned.h"
#include "kernels/conv2d_s8/window_rows.h"
#include "kernels/depthwise_s8/variant.h"

namespace qg {

class PackedDepthwise {
 public:
  // weights s8 [C][kernel_h][kernel_w], bias s32 [C], mult f32 [C]; throws like PackedWeights.
  PackedDepthwise(const ConvSpec& spec, const int8_t* weights, const int32_t* bias,
                  const float* mult, int32_t zx, const OutputCodes& out);

  // As PackedConv::run.
  void run(const Images& x, uint8_t* y, ptrdiff_t begin, ptrdiff_t end, uint8_t* scratch) const;
  size_t scratch_bytes() const;

  bool current() const { return variant_ == &depthwise_s8_variants.get(); }
  size_t bytes() const { return weights_.size() + bias_.size() * 8; }

 private:
  const DepthwiseS8Variant* variant_;
  ConvSpec spec_;
  OutputCodes out_;
  AlignedVector<uint8_t> padding_;  // one pixel of zx
  AlignedVector<int8_t> weights_;
  AlignedVector<int32_t> bias_;
  AlignedVector<float> mult_;
};

}  // namespace qg
