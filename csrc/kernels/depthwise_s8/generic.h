// depthwise_s8 in the vocabulary of one instruction set; included inside its namespace.

#include "requantize.h"

// One block of channels of neighbouring output pixels.
struct DepthwiseBlock {
  const uint8_t* const* rows;  // of the first pixel
  ptrdiff_t count;
  ptrdiff_t channel;
  ptrdiff_t channels;  // from `channel` on
};

// Four taps of a window, interleaved, give every lane the four codes that one dot product takes.
template <int Pixels>
QG_INLINE void multiply_pixels(const DepthwiseBlock& block, const DepthwisePanels& w,
                               const Requantizer& out, uint8_t* y) {
  constexpr ptrdiff_t group = 16 * kLanes;
  const int8_t* weights = w.weights + block.channel * w.tap_groups * 4;
  const uint8_t* const* rows = block.rows;
  I32 acc[Pixels][4];
  QG_UNROLL
  for (int p = 0; p < Pixels; ++p) {
    QG_UNROLL
    for (int v = 0; v < 4; ++v) acc[p][v] = load(w.bias + block.channel + v * kLanes);
  }
  for (ptrdiff_t g = 0; g < w.tap_groups; ++g, rows += 4 * block.count, weights += group) {
    QG_UNROLL
    for (int p = 0; p < Pixels; ++p) {
      U8 codes[4];
      interleave(rows + p, block.count, block.channel, block.channels, codes);
      QG_UNROLL
      for (int v = 0; v < 4; ++v) dot(acc[p][v], codes[v], load_weights(weights + v * 4 * kLanes));
    }
  }
  QG_UNROLL
  for (int p = 0; p < Pixels; ++p) {
    QG_UNROLL
    for (int v = 0; v < 4; ++v) {
      acc[p][v] = requantize(acc[p][v], load(w.mult + block.channel + v * kLanes), out);
    }
    store_interleaved(y + p * w.channels + block.channel, acc[p], block.channels);
  }
}

void multiply(const uint8_t* const* rows, ptrdiff_t count, const DepthwisePanels& w,
              const OutputCodes& out, uint8_t* y) {
  Requantizer requantizer;
  set_requantizer(requantizer, out);
  for (ptrdiff_t channel = 0; channel < w.channels; channel += 4 * kLanes) {
    const ptrdiff_t channels =
        w.channels - channel < 4 * kLanes ? w.channels - channel : 4 * kLanes;
    ptrdiff_t i = 0;
    for (; i + 2 <= count; i += 2) {
      multiply_pixels<2>({rows + i, count, channel, channels}, w, requantizer, y + i * w.channels);
    }
    if (i < count) {
      multiply_pixels<1>({rows + i, count, channel, channels}, w, requantizer, y + i * w.channels);
    }
  }
}

constexpr DepthwiseS8Variant make_variant() {
  DepthwiseS8Variant variant = {4 * kLanes, {}, multiply};
  for (ptrdiff_t i = 0; i < 4 * kLanes; ++i) variant.channel_of_lane[i] = kChannelOfLane[i];
  return variant;
}

constexpr DepthwiseS8Variant kVariant = make_variant();
