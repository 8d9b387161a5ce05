#include "kernels/conv2d_f32/conv2d_f32.h"

#include <algorithm>

#include "aligned.h"
#include "kernels/conv2d_f32/im2col.h"
#include "kernels/conv2d_f32/window_product.h"
#include "kernels/matmul_f32/matmul_f32.h"
#include "parallel.h"

namespace qg {
namespace {

// Columns [begin, begin + count) of one channel's row of products, to the images of y.
void store_pixels(const float* row, ptrdiff_t begin, ptrdiff_t count, const OutputF32& y,
                  const float* bias, float* channel) {
  for (ptrdiff_t column = 0; column < count;) {
    const ptrdiff_t pixel = begin + column, x = pixel % y.w;
    const ptrdiff_t length = std::min(y.w - x, count - column);
    const float* from = row + column;
    float* to = channel + pixel / (y.h * y.w) * y.image_step + pixel / y.w % y.h * y.row_step +
                x * y.column_step;
    if (y.column_step != 1) {
      for (ptrdiff_t i = 0; i < length; ++i) {
        to[i * y.column_step] = bias == nullptr ? from[i] : from[i] + *bias;
      }
    } else {
      for (ptrdiff_t i = 0; i < length; ++i) to[i] = bias == nullptr ? from[i] : from[i] + *bias;
    }
    column += length;
  }
}

void convolve(const ConvSpec& spec, const ImagesF32& x, const float* w, const float* bias,
              const OutputF32& y) {
  AlignedVector<float> memory;
  const PlanesF32 planes{x.data, x.batch, spec.in_channels, x.h, x.w, 0, spec.in_channels};
  const WindowsF32 windows = padded_windows(spec, planes, memory);
  const ptrdiff_t pixels = y.h * y.w, all = x.batch * pixels;
  const ptrdiff_t depth = spec.in_channels / spec.groups * spec.taps();
  const ptrdiff_t most = std::min(kColumnBlockF32, all), rows = spec.out_channels / spec.groups;
  // Blocks that end where images do need no detour to y.
  const bool direct =
      bias == nullptr && pixels % kColumnBlockF32 == 0 && y.column_step == 1 && y.row_step == y.w;
  const auto block = [&](ptrdiff_t begin, WindowProduct& product, AlignedVector<float>& products) {
    const ptrdiff_t columns = std::min(kColumnBlockF32, all - begin);
    for_groups(spec, [&](const Group& group) {
      const float* weights = w + group.first_out * depth;
      const WindowsF32 from = of_group(windows, group);
      if (direct) {
        float* to = y.data + begin / pixels * y.image_step + group.first_out * y.channel_step;
        return product.run(from, begin, columns, weights, rows, to + begin % pixels,
                           y.channel_step);
      }
      product.run(from, begin, columns, weights, rows, products.data(), most);
      for (ptrdiff_t m = 0; m < rows; ++m) {
        const ptrdiff_t o = group.first_out + m;
        store_pixels(products.data() + m * most, begin, columns, y,
                     bias == nullptr ? nullptr : bias + o, y.data + o * y.channel_step);
      }
    });
  };
  const ptrdiff_t grain = grain_for(spec.out_channels * depth * most);
  parallel_for((all + kColumnBlockF32 - 1) / kColumnBlockF32, grain,
               [&](ptrdiff_t begin, ptrdiff_t end) {
                 WindowProduct product(depth, most);
                 AlignedVector<float> products(floats(rows * most));
                 for (; begin < end; ++begin) block(begin * kColumnBlockF32, product, products);
               });
}

// Adds what each output pixel of one channel's tap got to the input pixel that the tap reads.
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
    for (ptrdiff_t k = 0; k < depth; ++k) wt[static_cast<size_t>(k * outputs + o)] = *w++;
  }
  return wt;
}

struct ImageSize {
  ptrdiff_t h, w;
};

// The gradients of whole images, so that a pixel gets its taps in order.
void scatter_images(const ConvSpec& spec, const ImagesF32& g, const float* w, const ImageSize& size,
                    const Group& group, float* dx) {
  const ptrdiff_t pixels = g.h * g.w, taps = spec.taps(), columns = g.batch * pixels;
  const ptrdiff_t depth = group.count * taps, plane = size.h * size.w;
  const AlignedVector<float> wt = transposed(w + group.first_out * depth, group.outputs, depth);
  // Every pixel by itself: how a plain matrix [outputs][pixels] becomes panels.
  const ConvSpec pointwise{group.outputs, group.outputs, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1};
  const WindowsF32 windows{
      pointwise, {g.data, g.batch, spec.out_channels, 1, pixels, group.first_out, group.outputs}};
  WindowProduct product(group.outputs, columns);
  const ptrdiff_t channels = std::clamp<ptrdiff_t>((1 << 18) / (columns * taps), 1, group.count);
  AlignedVector<float> grads(floats(channels * taps * columns));
  for (ptrdiff_t c = 0; c < group.count; c += channels) {
    const ptrdiff_t some = std::min(channels, group.count - c);
    product.run(windows, 0, columns, wt.data() + c * taps * group.outputs, some * taps,
                grads.data(), columns);
    for (ptrdiff_t i = 0; i < some * g.batch; ++i) {
      const ptrdiff_t channel = i / g.batch, image = i % g.batch;
      float* to = dx + (image * spec.in_channels + group.first + c + channel) * plane;
      for (ptrdiff_t tap = 0; tap < taps; ++tap) {
        const float* from = grads.data() + (channel * taps + tap) * columns + image * pixels;
        scatter_tap(spec, from, g.h, g.w, tap / spec.kernel_w, tap % spec.kernel_w, size.h, size.w,
                    to);
      }
    }
  }
}

// Rows of pixels that are worth the start of a run, and how many pixels make a block of them.
constexpr ptrdiff_t kShortestRun = 6, kRunBlock = 256;

// Rows of products that a thread takes: some tiles of every instruction set.
constexpr ptrdiff_t kRowsAtOnce = 6;

// The gradients of some images for the weights of a group, in blocks of pixels: block i is panels
// [pixels][outputs] from begin(i) * round_up(outputs, lanes) on.
class PixelBlocks {
 public:
  PixelBlocks(const WindowsF32& x, const Group& group, ptrdiff_t rows)
      : x_(x), group_(group), variant_(matmul_f32_variants.get()),
        pixels_(x.spec.out_h(x.planes.h) * x.spec.out_w(x.planes.w)),
        all_(x.planes.batch * pixels_), width_(x.spec.out_w(x.planes.w)),
        in_place_(windows_in_place(x) && width_ >= kShortestRun),
        // Whole rows of pixels if they are read in place, and in most images if not; the windows
        // of a block stay in the second-level cache.
        block_(in_place_ ? std::max<ptrdiff_t>(1, kRunBlock / width_) * width_
                         : std::clamp<ptrdiff_t>((1 << 18) / rows / 64 * 64, 64, kDepthBlockF32)),
        panels_(floats(round_up(group.outputs, variant_.lanes) * all_)) {}

  void pack(const float* g, ptrdiff_t out_channels) {
    const ptrdiff_t blocks = (all_ + block_ - 1) / block_;
    const ptrdiff_t grain = std::max<ptrdiff_t>(1, kMovedElements / (block_ * group_.outputs));
    parallel_for(blocks, grain, [&](ptrdiff_t first, ptrdiff_t last) {
      for (; first < last; ++first) pack_block(g, out_channels, first * block_);
    });
  }

  // products[k][o] += windows times gradients, for rows [k, k + rows) of the window matrix.
  void multiply(ptrdiff_t k, ptrdiff_t rows, float* products) const {
    AlignedVector<float> windows(floats(in_place_ ? 0 : rows * std::min(block_, all_)));
    const std::vector<ptrdiff_t> offsets = window_offsets(x_, k, rows);
    for (ptrdiff_t begin = 0; begin < all_; begin += block_) {
      const ptrdiff_t count = std::min(block_, all_ - begin);
      const PanelsF32 grads{at(begin), count, group_.outputs};
      if (in_place_) {
        std::vector<const float*> starts;
        for (ptrdiff_t p = begin; p < begin + count; p += width_) {
          starts.push_back(window_start(x_, p));
        }
        variant_.multiply_left_windows({starts.data(), offsets.data(), width_, rows}, grads,
                                       products, group_.outputs);
      } else {
        im2col_panels(x_, pixel_runs(x_, begin, count, count), {count, count, count}, k, rows,
                      windows.data());
        variant_.multiply({windows.data(), rows, count}, grads, true, nullptr, products,
                          group_.outputs);
      }
    }
  }

 private:
  const float* at(ptrdiff_t pixel) const {
    return panels_.data() + pixel * round_up(group_.outputs, variant_.lanes);
  }

  void pack_block(const float* g, ptrdiff_t out_channels, ptrdiff_t begin) {
    const ptrdiff_t count = std::min(block_, all_ - begin);
    float* const panels = panels_.data() + begin * round_up(group_.outputs, variant_.lanes);
    for (ptrdiff_t first = 0; first < group_.outputs; first += variant_.panel_columns) {
      const ptrdiff_t used = std::min(variant_.panel_columns, group_.outputs - first);
      const ptrdiff_t width = round_up(used, variant_.lanes);
      for (ptrdiff_t k = 0; k < count;) {
        const ptrdiff_t image = (begin + k) / pixels_, pixel = (begin + k) % pixels_;
        const ptrdiff_t length = std::min(pixels_ - pixel, count - k);
        const float* from = g + (image * out_channels + group_.first_out + first) * pixels_ + pixel;
        variant_.pack_transposed(from, pixels_, used, width, length,
                                 panels + first * count + k * width, width);
        k += length;
      }
    }
  }

  WindowsF32 x_;
  Group group_;
  const MatmulF32Variant& variant_;
  ptrdiff_t pixels_, all_, width_;
  bool in_place_;
  ptrdiff_t block_;
  AlignedVector<float> panels_;
};

// products[k][o] += windows times gradients of some images; k counts weights of an output.
void add_weight_products(const WindowsF32& x, const float* g, ptrdiff_t out_channels,
                         const Group& group, float* products) {
  const ptrdiff_t taps = x.spec.taps(), rows = group.count * taps;
  PixelBlocks blocks(x, group, rows);
  blocks.pack(g, out_channels);
  const ptrdiff_t images = x.planes.batch * x.spec.out_h(x.planes.h) * x.spec.out_w(x.planes.w);
  const ptrdiff_t pieces = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  parallel_for(pieces, grain_for(kRowsAtOnce * images * group.outputs),
               [&](ptrdiff_t begin, ptrdiff_t end) {
                 const ptrdiff_t k = begin * kRowsAtOnce, last = std::min(rows, end * kRowsAtOnce);
                 blocks.multiply(k, last - k, products + k * group.outputs);
               });
}

// dw of the outputs [first, first + count), which are all if there are groups.
void add_images(const ConvSpec& spec, const ImagesF32& x, const float* g, ptrdiff_t first,
                ptrdiff_t count, float* dw) {
  const ptrdiff_t pixels = spec.out_h(x.h) * spec.out_w(x.w), images = images_at_once(pixels);
  const ptrdiff_t rows = spec.in_channels / spec.groups * spec.taps();
  const auto groups = [&](const auto& use) {
    if (spec.groups == 1) return use(Group{0, spec.in_channels, first, count});
    for_groups(spec, use);
  };
  // dw transposed: for each group, [rows][outputs].
  AlignedVector<float> products(floats(rows * count), 0.0f);
  const auto products_of = [&](const Group& group) {
    return products.data() + (group.first_out - first) * rows;
  };
  AlignedVector<float> memory;
  for (ptrdiff_t b = 0; b < x.batch; b += images) {
    const PlanesF32 planes{x.data + b * spec.in_channels * x.h * x.w,
                           std::min(images, x.batch - b),
                           spec.in_channels,
                           x.h,
                           x.w,
                           0,
                           spec.in_channels};
    const WindowsF32 windows = padded_windows(spec, planes, memory);
    groups([&](const Group& group) {
      add_weight_products(of_group(windows, group), g + b * spec.out_channels * pixels,
                          spec.out_channels, group, products_of(group));
    });
  }
  groups([&](const Group& group) {
    const float* from = products_of(group);
    float* to = dw + group.first_out * rows;
    for (ptrdiff_t o = 0; o < group.outputs; ++o) {
      for (ptrdiff_t k = 0; k < rows; ++k) to[o * rows + k] = from[k * group.outputs + o];
    }
  });
}

}  // namespace

void conv2d_f32(const ConvSpec& spec, const ImagesF32& x, const float* w, const float* bias,
                const OutputF32& y) {
  const ptrdiff_t pixels = y.h * y.w;
  const auto convolve_some = [&](ptrdiff_t first, ptrdiff_t images) {
    const float* from = x.data + first * spec.in_channels * x.h * x.w;
    OutputF32 to = y;
    to.data += first * y.image_step;
    convolve(spec, {from, std::min(images, x.batch - first), x.h, x.w}, w, bias, to);
  };
  const ptrdiff_t shared = images_of_a_thread(x.batch, pixels), images = images_at_once(pixels);
  const ptrdiff_t products =
      spec.in_channels / spec.groups * spec.taps() * spec.out_channels * pixels;
  const ptrdiff_t pieces = shared == 0 ? 0 : (x.batch + shared - 1) / shared;
  if (pieces >= 2 * thread_count()) {  // a thread pads and convolves images of its own
    return parallel_for(pieces, grain_for(products * shared), [&](ptrdiff_t begin, ptrdiff_t end) {
      for (; begin < end; ++begin) convolve_some(begin * shared, shared);
    });
  }
  for (ptrdiff_t b = 0; b < x.batch; b += images) convolve_some(b, images);
}

void conv2d_dinput_f32(const ConvSpec& spec, const ImagesF32& g, const float* w, ptrdiff_t h,
                       ptrdiff_t width, float* dx) {
  const ptrdiff_t pixels = g.h * g.w, plane = spec.in_channels * h * width;
  std::fill(dx, dx + g.batch * plane, 0.0f);
  if (pixels == 0) return;
  const ptrdiff_t images = std::max<ptrdiff_t>(1, kColumnBlockF32 / pixels);
  const ptrdiff_t pieces = (g.batch + images - 1) / images;
  const ptrdiff_t products = images * pixels * spec.in_channels / spec.groups * spec.taps();
  for_groups(spec, [&](const Group& group) {
    const ptrdiff_t grain = grain_for(products * group.outputs);
    parallel_for(pieces, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
      for (ptrdiff_t b = begin * images; b < std::min(g.batch, end * images); b += images) {
        const ImagesF32 some{g.data + b * spec.out_channels * pixels, std::min(images, g.batch - b),
                             g.h, g.w};
        scatter_images(spec, some, w, {h, width}, group, dx + b * plane);
      }
    });
  });
}

void conv2d_dweight_f32(const ConvSpec& spec, const ImagesF32& x, const float* g, float* dw) {
  const ptrdiff_t outputs = spec.out_channels, threads = thread_count();
  const ptrdiff_t lanes = matmul_f32_variants.get().lanes, vectors = (outputs + lanes - 1) / lanes;
  const ptrdiff_t products =
      x.batch * spec.out_h(x.h) * spec.out_w(x.w) * spec.in_channels * spec.taps() * outputs;
  const bool worth = threads > 1 && products >= threads * kProductsPerThread;
  if (!worth || spec.groups > 1 || vectors < threads) {
    return add_images(spec, x, g, 0, outputs, dw);
  }
  // A thread pads and packs what it needs itself: what another has just written is slow to read.
  const ptrdiff_t share = (vectors + threads - 1) / threads * lanes;
  parallel_for((outputs + share - 1) / share, 1, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t first = begin * share; first < std::min(outputs, end * share); first += share) {
      add_images(spec, x, g, first, std::min(share, outputs - first), dw);
    }
  });
}

}  // namespace qg
