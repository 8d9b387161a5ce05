// depthwise_s8 in the vocabulary of one instruction set; included inside its namespace.

#include "requantize.h"

// Four pixels of a window, interleaved, give every lane the four codes that one dot product takes.
QG_INLINE void multiply_pixel(const uint8_t* const* rows, ptrdiff_t count, ptrdiff_t channel,
                              ptrdiff_t channels, const DepthwisePanels& w, const Requantizer& out,
                              uint8_t* y) {
  constexpr ptrdiff_t block = 4 * kLanes;
  const int8_t* weights = w.weights + channel * w.tap_groups * 4;
  I32 acc[4];
  for (int v = 0; v < 4; ++v) acc[v] = load(w.bias + channel + v * kLanes);
  for (ptrdiff_t group = 0; group < w.tap_groups; ++group, rows += 4 * count, weights += 4 * block) {
    U8 codes[4];
    interleave(rows, count, channel, channels, codes);
    for (int v = 0; v < 4; ++v) dot(acc[v], codes[v], load_weights(weights + v * 4 * kLanes));
  }
  for (int v = 0; v < 4; ++v) acc[v] = requantize(acc[v], load(w.mult + channel + v * kLanes), out);
  store_interleaved(y + channel, acc, channels);
}

void multiply(const uint8_t* const* rows, ptrdiff_t count, const DepthwisePanels& w, const OutputCodes& out,
              uint8_t* y) {
  constexpr ptrdiff_t block = 4 * kLanes;
  Requantizer requantizer;
  set_requantizer(requantizer, out);
  for (ptrdiff_t channel = 0; channel < w.channels; channel += block) {
    const ptrdiff_t channels = w.channels - channel < block ? w.channels - channel : block;
    for (ptrdiff_t i = 0; i < count; ++i) {
      multiply_pixel(rows + i, count, channel, channels, w, requantizer, y + i * w.channels);
    }
  }
}
constexpr DepthwiseS8Variant make_variant() {
  DepthwiseS8Variant variant = {4 * kLanes, {}, multiply};
  for (ptrdiff_t i = 0; i < 4 * kLanes; ++i) variant.channel_of_lane[i] = kChannelOfLane[i];
  return variant;
}

constexpr DepthwiseS8Variant kVariant = make_variant();
