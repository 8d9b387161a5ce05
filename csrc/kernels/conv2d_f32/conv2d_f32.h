// y[b][o][oy][ox] = (fma chain over c, ky, kx of w[o][c][ky][kx] * x[b][g*C/G + c][iy][ix]) +
// bias[o]
//
// with iy = oy * stride_h - pad_top + ky * dilation_h, ix alike, g = o / (O/G); pixels outside are
// 0 and take part in the chain. x float32 [B][C][H][W], w [O][C/G][kernel_h][kernel_w], y
// [B][O][OH][OW]. No bit of the result depends on the batch, tiling, threads or instruction set.
#pragma once

#include "kernels/conv2d_s8/window_rows.h"

namespace qg {

struct ImagesF32 {
  const float* data;
  ptrdiff_t batch, h, w;
};

// Where the result goes: element (b, o, oy, ox) is data[b * image_step + o * channel_step + oy *
// row_step + ox * column_step].
struct OutputF32 {
  float* data;
  ptrdiff_t h, w;
  ptrdiff_t image_step, channel_step, row_step, column_step;
};

// [B][O][OH][OW] for images of h by w.
inline OutputF32 contiguous(const ConvSpec& spec, float* y, ptrdiff_t h, ptrdiff_t w) {
  const ptrdiff_t oh = spec.out_h(h), ow = spec.out_w(w);
  return {y, oh, ow, spec.out_channels * oh * ow, oh * ow, ow, 1};
}

// The caller has checked the spec: positive sizes, groups divides both channel counts, pads >= 0,
// the kernel fits the padded image. bias may be null.
void conv2d_f32(const ConvSpec& spec, const ImagesF32& x, const float* w, const float* bias,
                const OutputF32& y);

// dx[b][c][iy][ix] = sum over (ky, kx) ascending, from +0, of the taps that read this pixel:
//                    fma chain over o of w[o][c][ky][kx] * g[b][o][oy][ox]
// g has batch, and height and width of the output; dx [B][C][h][w].
void conv2d_dinput_f32(const ConvSpec& spec, const ImagesF32& g, const float* w, ptrdiff_t h,
                       ptrdiff_t width, float* dx);

// The same sum in another order, that of a convolution of g by the turned weights for each phase of
// the stride: fma chain over (o, ky descending, kx descending) of the taps that read the pixel.
// The spec has no dilation.
void conv2d_dinput_by_phase_f32(const ConvSpec& spec, const ImagesF32& g, const float* w,
                                ptrdiff_t h, ptrdiff_t width, float* dx);

// dw[o][c][ky][kx] = fma chain over (b, oy, ox) of g[b][o][oy][ox] * x[b][g*C/G + c][iy][ix]
void conv2d_dweight_f32(const ConvSpec& spec, const ImagesF32& x, const float* g, float* dw);

}  // namespace qg
