#include "kernels/conv2d_f32/conv2d_f32.h"

#include <algorithm>

#include "aligned.h"
#include "kernels/conv2d_f32/im2col.h"
#include "kernels/matmul_f32/matmul_f32.h"

namespace qg {
namespace {

ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }
size_t floats(ptrdiff_t n) { return static_cast<size_t>(std::max<ptrdiff_t>(n, 1)); }

Im2colBlock block_of(ptrdiff_t columns, const MatmulF32Variant& variant) {
  const ptrdiff_t panel = variant.panel_columns, rest = columns % panel;
  return {columns, panel, rest == 0 ? panel : round_up(rest, variant.lanes)};
}

// products[m][j] = chain over k of rows[m][k] * column j of the window matrix, for the pixels of
// `runs`.
class WindowProduct {
 public:
  WindowProduct(const ConvSpec& spec, ptrdiff_t depth, ptrdiff_t most_columns)
      : spec_(spec), depth_(depth), variant_(matmul_f32_variants.get()),
        panels_(floats(round_up(most_columns, variant_.lanes) * std::min(depth, kDepthBlockF32))) {}

  ptrdiff_t panel() const { return variant_.panel_columns; }

  void run(const PlanesF32& x, const std::vector<PixelRun>& runs, ptrdiff_t columns,
           const float* rows, ptrdiff_t count, float* products, ptrdiff_t stride) {
    const Im2colBlock block = block_of(columns, variant_);
    for (ptrdiff_t k = 0; k < depth_; k += kDepthBlockF32) {
      const ptrdiff_t depth = std::min(kDepthBlockF32, depth_ - k);
      im2col_panels(spec_, x, runs, block, k, depth, panels_.data());
      variant_.multiply({rows + k, count, depth_}, {panels_.data(), depth, columns}, k > 0, nullptr,
                        products, stride);
    }
  }

 private:
  const ConvSpec& spec_;
  ptrdiff_t depth_;
  const MatmulF32Variant& variant_;
  AlignedVector<float> panels_;
};

void add_bias(const float* from, float bias, ptrdiff_t n, float* to) {
  for (ptrdiff_t i = 0; i < n; ++i) to[i] = from[i] + bias;
}

// A convolution that reads every pixel by itself: how a plain matrix [channels][pixels] becomes
// panels.
ConvSpec pixel_by_pixel(ptrdiff_t channels) {
  return {channels, channels, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1};
}

// One group: channels [first, first + count) of x give rows [first_out, ...) of y.
struct Group {
  ptrdiff_t first, count, first_out, outputs;
};

template <class Use>
void for_groups(const ConvSpec& spec, const Use& use) {
  const ptrdiff_t count = spec.in_channels / spec.groups, outputs = spec.out_channels / spec.groups;
  for (ptrdiff_t g = 0; g < spec.groups; ++g) use(Group{g * count, count, g * outputs, outputs});
}

// Where the pixels of a run start in y.
float* output_run(const ConvSpec& spec, const PixelRun& run, ptrdiff_t channel, ptrdiff_t oh,
                  ptrdiff_t ow, float* y) {
  return y + ((run.image * spec.out_channels + channel) * oh + run.oy) * ow + run.ox;
}

}  // namespace

void conv2d_f32(const ConvSpec& spec, const ImagesF32& x, const float* w, const float* bias,
                float* y) {
  const ptrdiff_t oh = spec.out_h(x.h), ow = spec.out_w(x.w), pixels = x.batch * oh * ow;
  const ptrdiff_t depth = spec.in_channels / spec.groups * spec.taps();
  const ptrdiff_t most = std::min(kColumnBlockF32, pixels), rows = spec.out_channels / spec.groups;
  WindowProduct product(spec, depth, most);
  AlignedVector<float> products(floats(rows * most));
  for (ptrdiff_t begin = 0; begin < pixels; begin += kColumnBlockF32) {
    const ptrdiff_t columns = std::min(kColumnBlockF32, pixels - begin);
    const PlanesF32 all{x.data, x.batch, spec.in_channels, x.h, x.w, 0, spec.in_channels};
    const std::vector<PixelRun> runs = pixel_runs(spec, all, begin, columns, product.panel());
    for_groups(spec, [&](const Group& group) {
      PlanesF32 planes = all;
      planes.first = group.first, planes.count = group.count;
      product.run(planes, runs, columns, w + group.first_out * depth, rows, products.data(), most);
      for (ptrdiff_t m = 0; m < rows; ++m) {
        const ptrdiff_t o = group.first_out + m;
        for (const PixelRun& run : runs) {
          const float* from = products.data() + m * most + run.column;
          float* to = output_run(spec, run, o, oh, ow, y);
          bias == nullptr ? static_cast<void>(std::copy(from, from + run.count, to))
                          : add_bias(from, bias[o], run.count, to);
        }
      }
    });
  }
}

namespace {

// Adds what output pixel (oy, ox) of one channel's tap got to the input pixel that the tap reads.
void scatter_tap(const ConvSpec& spec, const float* grads, ptrdiff_t oh, ptrdiff_t ow, ptrdiff_t ky,
                 ptrdiff_t kx, ptrdiff_t h, ptrdiff_t w, float* plane) {
  for (ptrdiff_t oy = 0; oy < oh; ++oy, grads += ow) {
    const ptrdiff_t iy = oy * spec.stride_h - spec.pad_top + ky * spec.dilation_h;
    if (iy < 0 || iy >= h) continue;
    float* row = plane + iy * w;
    ptrdiff_t ix = kx * spec.dilation_w - spec.pad_left, ox = 0;
    for (; ox < ow && ix < 0; ++ox) ix += spec.stride_w;
    if (spec.stride_w == 1) {
      const ptrdiff_t inside = std::max<ptrdiff_t>(0, std::min(ow - ox, w - ix));
      for (ptrdiff_t i = 0; i < inside; ++i) row[ix + i] += grads[ox + i];
    } else {
      for (; ox < ow && ix < w; ++ox, ix += spec.stride_w) row[ix] += grads[ox];
    }
  }
}

// wt[k][o] = w[o][k] for one group.
AlignedVector<float> transposed(const float* w, ptrdiff_t outputs, ptrdiff_t depth) {
  AlignedVector<float> wt(floats(outputs * depth));
  for (ptrdiff_t o = 0; o < outputs; ++o) {
    for (ptrdiff_t k = 0; k < depth; ++k)
      wt[static_cast<size_t>(k * outputs + o)] = w[o * depth + k];
  }
  return wt;
}

}  // namespace

void conv2d_dinput_f32(const ConvSpec& spec, const ImagesF32& g, const float* w, ptrdiff_t h,
                       ptrdiff_t width, float* dx) {
  const ptrdiff_t pixels = g.h * g.w, taps = spec.taps();
  std::fill(dx, dx + g.batch * spec.in_channels * h * width, 0.0f);
  if (pixels == 0) return;
  // Whole images, so that a pixel gets its taps in order whatever the batch; enough to fill a
  // panel.
  const ptrdiff_t images = std::max<ptrdiff_t>(1, kColumnBlockF32 / pixels), most = images * pixels;
  for_groups(spec, [&](const Group& group) {
    const ptrdiff_t depth = group.count * taps;
    const AlignedVector<float> wt = transposed(w + group.first_out * depth, group.outputs, depth);
    const ConvSpec pointwise = pixel_by_pixel(group.outputs);
    WindowProduct product(pointwise, group.outputs, most);
    const ptrdiff_t channels = std::clamp<ptrdiff_t>((1 << 18) / (most * taps), 1, group.count);
    AlignedVector<float> grads(floats(channels * taps * most));
    for (ptrdiff_t image = 0; image < g.batch; image += images) {
      const ptrdiff_t count = std::min(images, g.batch - image), columns = count * pixels;
      const PlanesF32 planes{g.data, g.batch,         spec.out_channels, g.h,
                             g.w,    group.first_out, group.outputs};
      const std::vector<PixelRun> runs =
          pixel_runs(pointwise, planes, image * pixels, columns, product.panel());
      for (ptrdiff_t c = 0; c < group.count; c += channels) {
        const ptrdiff_t some = std::min(channels, group.count - c);
        product.run(planes, runs, columns, wt.data() + c * taps * group.outputs, some * taps,
                    grads.data(), most);
        for (ptrdiff_t i = 0; i < some * count; ++i) {
          const ptrdiff_t channel = i / count, b = i % count;
          float* plane =
              dx + ((image + b) * spec.in_channels + group.first + c + channel) * h * width;
          for (ptrdiff_t tap = 0; tap < taps; ++tap) {
            const float* from = grads.data() + (channel * taps + tap) * most + b * pixels;
            scatter_tap(spec, from, g.h, g.w, tap / spec.kernel_w, tap % spec.kernel_w, h, width,
                        plane);
          }
        }
      }
    }
  });
}

void conv2d_dweight_f32(const ConvSpec& spec, const ImagesF32& x, const float* g, float* dw) {
  const MatmulF32Variant& variant = matmul_f32_variants.get();
  const ptrdiff_t oh = spec.out_h(x.h), ow = spec.out_w(x.w), pixels = oh * ow;
  for_groups(spec, [&](const Group& group) {
    const ptrdiff_t rows = group.count * spec.taps();
    // dw transposed: rows are windows (as they lie, one panel as wide as the block), columns are
    // outputs.
    const ptrdiff_t block = std::clamp<ptrdiff_t>((1 << 17) / rows, 16, kDepthBlockF32);
    const ptrdiff_t most = std::min(block, std::max<ptrdiff_t>(pixels, 1));
    AlignedVector<float> windows(floats(rows * most));
    AlignedVector<float> panels(floats(round_up(group.outputs, variant.lanes) * most));
    AlignedVector<float> products(floats(rows * group.outputs), 0.0f);
    const PlanesF32 planes{x.data, x.batch, spec.in_channels, x.h, x.w, group.first, group.count};
    for (ptrdiff_t begin = 0; begin < x.batch * pixels;) {
      const ptrdiff_t image = begin / pixels, pixel = begin % pixels;
      const ptrdiff_t count = std::min(most, pixels - pixel);
      im2col_panels(spec, planes, pixel_runs(spec, planes, begin, count, count),
                    {count, count, count}, 0, rows, windows.data());
      const MatrixF32 grads{g + (image * spec.out_channels + group.first_out) * pixels + pixel,
                            count, group.outputs, 1, pixels};
      pack_panels_f32(variant, grads, 0, count, 0, group.outputs, panels.data());
      variant.multiply({windows.data(), rows, count}, {panels.data(), count, group.outputs}, true,
                       nullptr, products.data(), group.outputs);
      begin += count;
    }
    float* to = dw + group.first_out * rows;
    for (ptrdiff_t o = 0; o < group.outputs; ++o) {
      for (ptrdiff_t k = 0; k < rows; ++k)
        *to++ = products[static_cast<size_t>(k * group.outputs + o)];
    }
  });
}

}  // namespace qg
