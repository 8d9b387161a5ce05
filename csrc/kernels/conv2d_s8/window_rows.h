// Where the input pixels of convolution windows lie.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qg {

// What of a convolution is known before its input: everything but batch, height and width.
struct ConvSpec {
  ptrdiff_t in_channels, out_channels, groups;
  ptrdiff_t kernel_h, kernel_w;
  ptrdiff_t stride_h, stride_w;
  ptrdiff_t pad_top, pad_bottom, pad_left, pad_right;
  ptrdiff_t dilation_h, dilation_w;

  ptrdiff_t taps() const { return kernel_h * kernel_w; }
  ptrdiff_t out_h(ptrdiff_t h) const {
    return (h + pad_top + pad_bottom - dilation_h * (kernel_h - 1) - 1) / stride_h + 1;
  }
  ptrdiff_t out_w(ptrdiff_t w) const {
    return (w + pad_left + pad_right - dilation_w * (kernel_w - 1) - 1) / stride_w + 1;
  }
  bool fits(ptrdiff_t h, ptrdiff_t w) const {
    return h + pad_top + pad_bottom >= dilation_h * (kernel_h - 1) + 1 &&
           w + pad_left + pad_right >= dilation_w * (kernel_w - 1) + 1;
  }
};

// A batch of images, u8 [batch][h][w][channels].
struct Images {
  const uint8_t* data;
  ptrdiff_t batch, h, w, channels;
};

// For output pixels [begin, begin + count), counted over the whole batch, and every tap t:
// rows[t * count + i] = the input pixel under tap t of output pixel begin + i, or `padding`
// outside.
void window_rows(const ConvSpec& spec, const Images& x, const uint8_t* padding, ptrdiff_t begin,
                 ptrdiff_t count, const uint8_t** rows);

}  // namespace qg
