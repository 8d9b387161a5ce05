// avg_pool_s8 in the vocabulary of one instruction set; included inside its namespace.

#include "requantize.h"

QG_INLINE I32 window_sum(const uint8_t* pixels, const Images& x, const PoolWindow& row,
                         const PoolWindow& col, ptrdiff_t n, I32 sum) {
  for (ptrdiff_t iy = row.start; iy < row.stop; iy += row.step) {
    for (ptrdiff_t ix = col.start; ix < col.stop; ix += col.step) {
      const uint8_t* pixel = pixels + (iy * x.w + ix) * x.channels;
      sum = add(sum, n == kLanes ? widen(pixel) : widen(pixel, n));
    }
  }
  return sum;
}

void pool(const uint8_t* image, const Images& x, const PoolWindow& row, const PoolWindow& col,
          int32_t bias, float mult, const OutputCodes& out, uint8_t* y) {
  Requantizer requantizer;
  set_requantizer(requantizer, out);
  for (ptrdiff_t c = 0; c < x.channels; c += kLanes) {
    const ptrdiff_t n = x.channels - c < kLanes ? x.channels - c : kLanes;
    const I32 sum = window_sum(image + c, x, row, col, n, splat(bias));
    narrow(y + c, requantize(sum, splat(mult), requantizer), n);
  }
}

constexpr AvgPoolS8Variant kVariant = {pool};
