// What an instruction set provides for depthwise_s8.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codes.h"
#include "dispatch.h"

namespace qg {

constexpr ptrdiff_t kMaxDepthwiseBlock = 64;

// Channels in blocks of `block_channels`; inside a block: for each four taps (filled up with
// zeros), for each lane, the four weights of the lane's channel. bias and mult: for each block, for
// each lane.
struct DepthwisePanels {
  const int8_t* weights;
  const int32_t* bias;  // bias[c] - zx * sum_t w[c][t]
  const float* mult;
  ptrdiff_t channels;
  ptrdiff_t tap_groups;  // taps / 4, rounded up
};

struct DepthwiseS8Variant {
  ptrdiff_t block_channels;
  uint8_t channel_of_lane[kMaxDepthwiseBlock];
  // y[i][c] = requantize(bias[c] + sum_t rows[t * count + i][c] * w[c][t]) for i in [0, count).
  // There are 4 * tap_groups row pointers for each i, all to `channels` readable codes.
  void (*multiply)(const uint8_t* const* rows, ptrdiff_t count, const DepthwisePanels& w,
                   const OutputCodes& out, uint8_t* y);
};

extern Dispatch<DepthwiseS8Variant> depthwise_s8_variants;

}  // namespace qg
