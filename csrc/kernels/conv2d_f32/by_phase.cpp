#include <algorithm>
#include <vector>

#include "aligned.h"
#include "kernels/conv2d_f32/conv2d_f32.h"
#include "kernels/conv2d_f32/window_product.h"
#include "parallel.h"

namespace qg {
namespace {

// Pixels r, r + stride, ... of one dim, which every stride-th tap reads, the last one first.
struct Phase {
  ptrdiff_t first_tap, taps, pixels;
  ptrdiff_t before;  // how far before the first gradient the first window begins
};

std::vector<Phase> phases_of(ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t pad) {
  std::vector<Phase> phases;
  for (ptrdiff_t r = 0; r < std::min(stride, size); ++r) {
    const ptrdiff_t first = (r + pad) % stride;
    const ptrdiff_t taps = first < kernel ? (kernel - first + stride - 1) / stride : 0;
    phases.push_back(
        {first, taps, (size - r + stride - 1) / stride, taps - 1 - (r + pad) / stride});
  }
  return phases;
}

// Zeros around the gradients, so that no window of any phase leaves them.
struct Margin {
  ptrdiff_t before = 0, size = 0;
};

Margin margin_of(const std::vector<Phase>& phases, ptrdiff_t outputs) {
  Margin margin;
  ptrdiff_t after = 0;
  for (const Phase& phase : phases) {
    if (phase.taps == 0) continue;
    margin.before = std::max(margin.before, phase.before);
    after = std::max(after, phase.pixels + phase.taps - 1 - phase.before - outputs);
  }
  margin.size = margin.before + outputs + after;
  return margin;
}

class PhasedGradient {
 public:
  PhasedGradient(const ConvSpec& spec, const ImagesF32& g, const float* w, ptrdiff_t h,
                 ptrdiff_t width, float* dx)
      : spec_(spec), g_(g), h_(h), width_(width), dx_(dx),
        rows_(phases_of(h, spec.kernel_h, spec.stride_h, spec.pad_top)),
        columns_(phases_of(width, spec.kernel_w, spec.stride_w, spec.pad_left)),
        tall_(margin_of(rows_, g.h)), wide_(margin_of(columns_, g.w)) {
    for (const Phase& row : rows_) {
      for (const Phase& column : columns_) weights_.push_back(turned(w, row, column));
    }
  }

  // Pixels of the largest phase of an image.
  ptrdiff_t pixels() const { return rows_[0].pixels * columns_[0].pixels; }

  // The gradients of images [first, first + images).
  void run(ptrdiff_t first, ptrdiff_t images) const {
    const AlignedVector<float> padded = with_margin(first, images);
    for_groups(spec_, [&](const Group& group) {
      for (size_t r = 0; r < rows_.size(); ++r) {
        const ptrdiff_t rows = images * rows_[r].pixels, block = block_rows();
        const ptrdiff_t products = block * columns_[0].pixels * most_depth() * channels();
        parallel_for((rows + block - 1) / block, grain_for(products),
                     [&](ptrdiff_t begin, ptrdiff_t end) {
                       run_rows({padded.data(), first, images, group, r}, begin * block,
                                std::min(rows, end * block));
                     });
      }
    });
  }

 private:
  struct Piece {
    const float* padded;
    ptrdiff_t first, images;
    Group group;
    size_t r;
  };

  ptrdiff_t channels() const { return spec_.in_channels / spec_.groups; }
  ptrdiff_t outputs() const { return spec_.out_channels / spec_.groups; }
  ptrdiff_t most_depth() const { return outputs() * spec_.taps(); }
  ptrdiff_t block_rows() const {
    return std::max<ptrdiff_t>(1, kColumnBlockF32 / columns_[0].pixels);
  }

  // [C][O/G][taps] of one phase, turned by half a turn.
  AlignedVector<float> turned(const float* w, const Phase& row, const Phase& column) const {
    const ptrdiff_t taps = row.taps * column.taps, all = spec_.in_channels;
    AlignedVector<float> result(floats(all * outputs() * taps));
    float* to = result.data();
    for (ptrdiff_t c = 0; c < all && taps > 0; ++c) {
      const ptrdiff_t group = c / channels(), inside = c % channels();
      for (ptrdiff_t o = group * outputs(); o < (group + 1) * outputs(); ++o) {
        const float* tap = w + (o * channels() + inside) * spec_.taps();
        for (ptrdiff_t y = row.taps - 1; y >= 0; --y) {
          const float* line = tap + (row.first_tap + y * spec_.stride_h) * spec_.kernel_w;
          for (ptrdiff_t x = column.taps - 1; x >= 0; --x) {
            *to++ = line[column.first_tap + x * spec_.stride_w];
          }
        }
      }
    }
    return result;
  }

  AlignedVector<float> with_margin(ptrdiff_t first, ptrdiff_t images) const {
    const ptrdiff_t planes = images * spec_.out_channels, size = tall_.size * wide_.size;
    AlignedVector<float> padded(floats(planes * size));
    const float* from = g_.data + first * spec_.out_channels * g_.h * g_.w;
    parallel_for(planes, std::max<ptrdiff_t>(1, kMovedElements / std::max<ptrdiff_t>(1, size)),
                 [&](ptrdiff_t begin, ptrdiff_t end) {
                   for (ptrdiff_t plane = begin; plane < end; ++plane) {
                     copy_plane(from + plane * g_.h * g_.w, padded.data() + plane * size);
                   }
                 });
    return padded;
  }

  void copy_plane(const float* from, float* to) const {
    std::fill(to, to + tall_.size * wide_.size, 0.0f);
    to += tall_.before * wide_.size + wide_.before;
    for (ptrdiff_t y = 0; y < g_.h; ++y, from += g_.w, to += wide_.size) {
      std::copy(from, from + g_.w, to);
    }
  }

  // The windows of a phase, which begin `before` before the first gradient.
  WindowsF32 windows_of(const Piece& piece, const Phase& row, const Phase& column) const {
    const float* start =
        piece.padded + (tall_.before - row.before) * wide_.size + (wide_.before - column.before);
    const ConvSpec spec{
        spec_.out_channels, channels(), 1, row.taps, column.taps, 1, 1, 0, 0, 0, 0, 1, 1};
    const PlanesF32 planes{start,
                           piece.images,
                           spec_.out_channels,
                           row.pixels + row.taps - 1,
                           column.pixels + column.taps - 1,
                           piece.group.first_out,
                           piece.group.outputs};
    WindowsF32 windows{spec, planes};
    windows.part = wide_.size;
    windows.plane_size = tall_.size * wide_.size;
    return windows;
  }

  // Rows [begin, end) of one phase, counted over the images.
  void run_rows(const Piece& piece, ptrdiff_t begin, ptrdiff_t end) const {
    const Phase& row = rows_[piece.r];
    const ptrdiff_t step = block_rows(), most = step * columns_[0].pixels;
    std::vector<WindowProduct> products;
    products.reserve(columns_.size());
    for (const Phase& column : columns_) {
      products.emplace_back(std::max<ptrdiff_t>(1, outputs() * row.taps * column.taps), most);
    }
    AlignedVector<float> buffer(
        floats(most * channels() * static_cast<ptrdiff_t>(columns_.size())));
    for (; begin < end; begin += step) {
      const ptrdiff_t count = std::min(step, end - begin);
      float* direct = inside_one_image(row, begin, count) ? pixel(piece, begin) : nullptr;
      for (size_t s = 0; s < columns_.size(); ++s) {
        const Phase& column = columns_[s];
        if (row.taps * column.taps == 0) continue;
        const ptrdiff_t taps = row.taps * column.taps;
        const float* weights =
            weights_[piece.r * columns_.size() + s].data() + piece.group.first * outputs() * taps;
        float* to = buffer.data() + static_cast<ptrdiff_t>(s) * most * channels();
        products[s].run(windows_of(piece, row, column), begin * column.pixels,
                        count * column.pixels, weights, channels(), direct == nullptr ? to : direct,
                        direct == nullptr ? most : h_ * width_);
      }
      if (direct == nullptr) store(piece, buffer.data(), most, begin, count);
    }
  }

  // Without stride, rows of one image lie in dx as the product gives them.
  bool inside_one_image(const Phase& row, ptrdiff_t begin, ptrdiff_t count) const {
    return rows_.size() == 1 && columns_.size() == 1 && begin % row.pixels + count <= row.pixels &&
           spec_.stride_h == 1 && spec_.stride_w == 1;
  }

  // The first pixel of a row of a phase, in the group's first channel.
  float* pixel(const Piece& piece, ptrdiff_t row) const {
    const ptrdiff_t pixels = rows_[piece.r].pixels;
    const ptrdiff_t image = piece.first + row / pixels;
    const ptrdiff_t y = static_cast<ptrdiff_t>(piece.r) + row % pixels * spec_.stride_h;
    return dx_ + (image * spec_.in_channels + piece.group.first) * h_ * width_ + y * width_;
  }

  void store(const Piece& piece, const float* products, ptrdiff_t most, ptrdiff_t begin,
             ptrdiff_t count) const {
    const ptrdiff_t taps = rows_[piece.r].taps;
    const bool pairs = spec_.stride_w == 2 && columns_.size() == 2 &&
                       taps * columns_[0].taps * columns_[1].taps > 0;
    for (ptrdiff_t q = 0; q < count; ++q) {
      float* to = pixel(piece, begin + q);
      for (ptrdiff_t c = 0; c < channels(); ++c, to += h_ * width_) {
        const float* from = products + c * most;
        if (pairs) {
          store_pairs(from + q * columns_[0].pixels,
                      from + most * channels() + q * columns_[1].pixels, to);
          continue;
        }
        for (size_t s = 0; s < columns_.size(); ++s, from += most * channels()) {
          if (taps * columns_[s].taps == 0) continue;
          const float* pixels = from + q * columns_[s].pixels;
          for (ptrdiff_t j = 0; j < columns_[s].pixels; ++j) {
            to[static_cast<ptrdiff_t>(s) + j * spec_.stride_w] = pixels[j];
          }
        }
      }
    }
  }

  void store_pairs(const float* even, const float* odd, float* to) const {
    const ptrdiff_t pairs = columns_[1].pixels;
    for (ptrdiff_t j = 0; j < pairs; ++j) to[2 * j] = even[j], to[2 * j + 1] = odd[j];
    if (columns_[0].pixels > pairs) to[2 * pairs] = even[pairs];
  }

  ConvSpec spec_;
  ImagesF32 g_;
  ptrdiff_t h_, width_;
  float* dx_;
  std::vector<Phase> rows_, columns_;
  Margin tall_, wide_;
  std::vector<AlignedVector<float>> weights_;  // by row phase, then column phase
};

}  // namespace

void conv2d_dinput_by_phase_f32(const ConvSpec& spec, const ImagesF32& g, const float* w,
                                ptrdiff_t h, ptrdiff_t width, float* dx) {
  const ptrdiff_t image = spec.in_channels * h * width;
  if (g.batch * image == 0) return;
  const bool all_read = spec.kernel_h >= spec.stride_h && spec.kernel_w >= spec.stride_w;
  if (!all_read || g.h * g.w == 0) std::fill(dx, dx + g.batch * image, 0.0f);
  if (g.h * g.w == 0) return;
  const PhasedGradient gradient(spec, g, w, h, width, dx);
  const ptrdiff_t shared = images_of_a_thread(g.batch, gradient.pixels());
  const ptrdiff_t pieces = shared == 0 ? 0 : (g.batch + shared - 1) / shared;
  if (pieces >= 2 * thread_count()) {
    const ptrdiff_t products =
        spec.in_channels / spec.groups * spec.taps() * spec.out_channels * g.h * g.w;
    return parallel_for(pieces, grain_for(products * shared), [&](ptrdiff_t begin, ptrdiff_t end) {
      for (; begin < end; ++begin) {
        gradient.run(begin * shared, std::min(shared, g.batch - begin * shared));
      }
    });
  }
  const ptrdiff_t images = images_at_once(gradient.pixels());
  for (ptrdiff_t b = 0; b < g.batch; b += images) gradient.run(b, std::min(images, g.batch - b));
}

}  // namespace qg
