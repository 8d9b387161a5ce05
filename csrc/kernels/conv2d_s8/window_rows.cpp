#include "kernels/conv2d_s8/window_rows.h"

#include <algorithm>

namespace qg {
namespace {

// Output positions o of one axis with 0 <= o * stride + offset < size are [first, last).
struct ValidRange {
  ptrdiff_t first, last;
};

ValidRange valid_range(ptrdiff_t offset, ptrdiff_t stride, ptrdiff_t size) {
  const ptrdiff_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const ptrdiff_t last = offset >= size ? 0 : (size - offset + stride - 1) / stride;
  return {first, std::max(first, last)};
}

}  // namespace

void window_rows(const ConvSpec& spec, const Images& x, const uint8_t* padding, ptrdiff_t begin,
                 ptrdiff_t count, const uint8_t** rows) {
  const ptrdiff_t out_w = spec.out_w(x.w), out_pixels = spec.out_h(x.h) * out_w;
  const ptrdiff_t step = spec.stride_w * x.channels;
  // Runs of output pixels on one output row: their input pixels are `step` bytes apart.
  for (ptrdiff_t i = 0; i < count;) {
    const ptrdiff_t image = (begin + i) / out_pixels, pixel = (begin + i) % out_pixels;
    const ptrdiff_t oy = pixel / out_w, ox = pixel % out_w;
    const ptrdiff_t run = std::min(out_w - ox, count - i);
    const uint8_t* const data = x.data + image * x.h * x.w * x.channels;
    const uint8_t** out = rows + i;
    for (ptrdiff_t ky = 0; ky < spec.kernel_h; ++ky) {
      const ptrdiff_t iy = oy * spec.stride_h - spec.pad_top + ky * spec.dilation_h;
      for (ptrdiff_t kx = 0; kx < spec.kernel_w; ++kx, out += count) {
        const ptrdiff_t offset = kx * spec.dilation_w - spec.pad_left;
        const bool inside = 0 <= iy && iy < x.h;
        const ValidRange valid = valid_range(offset, spec.stride_w, inside ? x.w : 0);
        const ptrdiff_t first = std::clamp(valid.first - ox, ptrdiff_t{0}, run);
        const ptrdiff_t last = std::clamp(valid.last - ox, first, run);
        std::fill(out, out + first, padding);
        const ptrdiff_t start = (iy * x.w + offset) * x.channels + ox * step;
        for (ptrdiff_t j = first; j < last; ++j) out[j] = data + (start + j * step);
        std::fill(out + last, out + run, padding);
      }
    }
    i += run;
  }
}

}  // namespace qg
