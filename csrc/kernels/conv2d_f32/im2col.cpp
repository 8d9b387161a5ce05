#include "kernels/conv2d_f32/im2col.h"

#include <algorithm>
#include <cstring>

#include "parallel.h"

namespace qg {
namespace {

bool padded(const ConvSpec& spec) {
  return spec.pad_top != 0 || spec.pad_bottom != 0 || spec.pad_left != 0 || spec.pad_right != 0;
}

ConvSpec without_padding(ConvSpec spec) {
  spec.pad_top = spec.pad_bottom = spec.pad_left = spec.pad_right = 0;
  return spec;
}

// A few floats, in quads of which the last two may overlap.
void copy_few(const float* from, ptrdiff_t n, float* to) {
  if (n < 4) {
    for (ptrdiff_t i = 0; i < n; ++i) to[i] = from[i];
    return;
  }
  for (ptrdiff_t i = 0; i < n - 4; i += 4) std::memcpy(to + i, from + i, 4 * sizeof(float));
  std::memcpy(to + n - 4, from + n - 4, 4 * sizeof(float));
}

// One run of one row of the matrix where taps may lie outside. `row` is the input row, or null
// outside the image; the run's first tap reads column ix, the next ones `stride` further each.
void copy_clipped(const float* row, ptrdiff_t w, ptrdiff_t ix, ptrdiff_t stride, ptrdiff_t count,
                  float* to) {
  for (ptrdiff_t i = 0; i < count; ++i, ix += stride) {
    to[i] = row != nullptr && 0 <= ix && ix < w ? row[ix] : 0.0f;
  }
}

// Where row k of the matrix lies from the first pixel of a window on.
struct Tap {
  ptrdiff_t channel, y, x;
};

std::vector<Tap> taps_of(const ConvSpec& spec, ptrdiff_t k_begin, ptrdiff_t depth) {
  std::vector<Tap> taps;
  taps.reserve(static_cast<size_t>(depth));
  for (ptrdiff_t k = k_begin; k < k_begin + depth; ++k) {
    const ptrdiff_t ky = k / spec.kernel_w % spec.kernel_h, kx = k % spec.kernel_w;
    taps.push_back({k / spec.taps(), ky * spec.dilation_h, kx * spec.dilation_w});
  }
  return taps;
}

}  // namespace

WindowsF32 padded_windows(const ConvSpec& spec, const PlanesF32& x, AlignedVector<float>& memory) {
  const bool pointwise = spec.taps() == 1 && spec.stride_h == 1 && spec.stride_w == 1;
  if (!padded(spec) && spec.stride_w == 1) {
    WindowsF32 windows{spec, x};
    if (pointwise) windows.planes.h = 1, windows.planes.w = x.h * x.w;
    return windows;
  }
  const ptrdiff_t most = 4 * x.h * x.w + 4096;
  if (spec.pad_top + spec.pad_bottom > most || spec.pad_left + spec.pad_right > most) {
    return {spec, x};
  }
  const ptrdiff_t h = x.h + spec.pad_top + spec.pad_bottom;
  const ptrdiff_t w = x.w + spec.pad_left + spec.pad_right;
  if (h > most / w) return {spec, x};
  const PlanesF32 planes{nullptr, x.batch, x.channels, h, w, x.first, x.count};
  WindowsF32 windows{without_padding(spec), planes};
  const ptrdiff_t stride = spec.stride_w;
  if (stride > 1) windows.part = (w + stride - 1) / stride;
  const ptrdiff_t row = windows.row();
  memory.resize(static_cast<size_t>(x.batch * x.channels * h * row));
  const auto copy_row = [&](const float* from, float* to) {
    if (stride == 1) return copy_few(from, x.w, to + spec.pad_left);
    for (ptrdiff_t first = 0; first < std::min(stride, x.w); ++first) {
      float* part = to + windows.column(first + spec.pad_left);
      for (ptrdiff_t i = first; i < x.w; i += stride) *part++ = from[i];
    }
  };
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kMovedElements / std::max<ptrdiff_t>(1, h * row));
  parallel_for(x.batch * x.channels, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t plane = begin; plane < end; ++plane) {
      float* const to = memory.data() + plane * h * row;
      std::fill(to, to + h * row, 0.0f);
      for (ptrdiff_t y = 0; y < x.h; ++y) {
        copy_row(x.data + (plane * x.h + y) * x.w, to + (spec.pad_top + y) * row);
      }
    }
  });
  windows.planes.data = memory.data();
  return windows;
}

std::vector<PixelRun> pixel_runs(const WindowsF32& x, ptrdiff_t begin, ptrdiff_t count,
                                 ptrdiff_t panel) {
  const ptrdiff_t oh = x.spec.out_h(x.planes.h), ow = x.spec.out_w(x.planes.w);
  std::vector<PixelRun> runs;
  for (ptrdiff_t column = 0; column < count;) {
    const ptrdiff_t pixel = begin + column, ox = pixel % ow;
    const ptrdiff_t length = std::min({ow - ox, panel - column % panel, count - column});
    runs.push_back({column, length, pixel / (oh * ow), pixel / ow % oh, ox});
    column += length;
  }
  return runs;
}

namespace {

// `count` pixels side by side under each of the taps, to rows `width` apart; Count is the count
// where it is known.
template <ptrdiff_t Count>
void copy_rows(const float* from, const std::vector<ptrdiff_t>& offsets, ptrdiff_t count,
               ptrdiff_t width, float* to) {
  for (const ptrdiff_t offset : offsets) {
    if (Count != 0) {
      std::memcpy(to, from + offset, static_cast<size_t>(Count) * sizeof(float));
    } else {
      copy_few(from + offset, count, to);
    }
    to += width;
  }
}

void copy_rows_of(const float* from, const std::vector<ptrdiff_t>& offsets, ptrdiff_t count,
                  ptrdiff_t width, float* to) {
  switch (count) {
    case 8:
      return copy_rows<8>(from, offsets, count, width, to);
    case 16:
      return copy_rows<16>(from, offsets, count, width, to);
    case 32:
      return copy_rows<32>(from, offsets, count, width, to);
    case 64:
      return copy_rows<64>(from, offsets, count, width, to);
    default:
      return copy_rows<0>(from, offsets, count, width, to);
  }
}

}  // namespace

void im2col_panels(const WindowsF32& x, const std::vector<PixelRun>& runs, const Im2colBlock& block,
                   ptrdiff_t k_begin, ptrdiff_t depth, float* out) {
  const PlanesF32& planes = x.planes;
  const ptrdiff_t row_size = x.row(), plane = x.plane(), stride = x.spec.stride_w;
  const std::vector<Tap> taps = taps_of(x.spec, k_begin, depth);
  const std::vector<ptrdiff_t> offsets = window_offsets(x, k_begin, depth);
  for (const PixelRun& run : runs) {
    const ptrdiff_t first = run.column / block.panel * block.panel;
    const ptrdiff_t width = first + block.panel <= block.columns ? block.panel : block.last_width;
    const ptrdiff_t inside = run.column - first;
    float* to = out + first * depth + inside;
    const float* image = planes.data + (run.image * planes.channels + planes.first) * plane;
    const ptrdiff_t top = run.oy * x.spec.stride_h - x.spec.pad_top;
    const ptrdiff_t left = run.ox * stride - x.spec.pad_left;
    if (padded(x.spec)) {
      for (size_t k = 0; k < taps.size(); ++k) {
        const ptrdiff_t iy = top + taps[k].y;
        const bool seen = 0 <= iy && iy < planes.h;
        const float* row = seen ? image + taps[k].channel * plane + iy * planes.w : nullptr;
        copy_clipped(row, planes.w, left + taps[k].x, stride, run.count,
                     to + static_cast<ptrdiff_t>(k) * width);
      }
    } else if (stride == 1 || x.part != 0) {
      copy_rows_of(image + top * row_size + run.ox, offsets, run.count, width, to);
    } else {
      const float* from = image + top * row_size + left;
      for (size_t k = 0; k < taps.size(); ++k) {
        float* row = to + static_cast<ptrdiff_t>(k) * width;
        for (ptrdiff_t i = 0; i < run.count; ++i) row[i] = from[offsets[k] + i * stride];
      }
    }
    const ptrdiff_t filled = inside + run.count;
    if (run.column + run.count < block.columns || filled == width) continue;
    for (ptrdiff_t k = 0; k < depth; ++k) {
      std::fill(to + k * width + run.count, to + k * width + width - inside, 0.0f);
    }
  }
}

bool windows_in_place(const WindowsF32& x) {
  return !padded(x.spec) && (x.spec.stride_w == 1 || x.part != 0);
}

std::vector<ptrdiff_t> window_offsets(const WindowsF32& x, ptrdiff_t k_begin, ptrdiff_t depth) {
  std::vector<ptrdiff_t> offsets;
  offsets.reserve(static_cast<size_t>(depth));
  for (const Tap& tap : taps_of(x.spec, k_begin, depth)) {
    offsets.push_back(tap.channel * x.plane() + tap.y * x.row() + x.column(tap.x));
  }
  return offsets;
}

const float* window_start(const WindowsF32& x, ptrdiff_t pixel) {
  const ptrdiff_t ow = x.spec.out_w(x.planes.w), oh = x.spec.out_h(x.planes.h);
  const ptrdiff_t plane = pixel / (oh * ow) * x.planes.channels + x.planes.first;
  const ptrdiff_t top = pixel / ow % oh * x.spec.stride_h;
  return x.planes.data + plane * x.plane() + top * x.row() + pixel % ow;
}

}  // namespace qg
