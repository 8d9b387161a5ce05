#include "kernels/conv2d_f32/im2col.h"

#include <algorithm>

namespace qg {
namespace {

// One run of one row of the matrix. `row` is the input row, or null outside the image; the run's
// first tap reads column ix, the next ones `stride` further each.
void copy_run(const float* row, ptrdiff_t w, ptrdiff_t ix, ptrdiff_t stride, ptrdiff_t count,
              float* out) {
  if (row == nullptr) {
    std::fill(out, out + count, 0.0f);
    return;
  }
  ptrdiff_t i = 0;
  for (; i < count && ix < 0; ++i, ix += stride) out[i] = 0.0f;
  if (stride == 1) {
    const ptrdiff_t inside = std::max<ptrdiff_t>(0, std::min(count - i, w - ix));
    for (ptrdiff_t j = 0; j < inside; ++j) out[i + j] = row[ix + j];
    i += inside;
  } else {
    for (; i < count && ix < w; ++i, ix += stride) out[i] = row[ix];
  }
  for (; i < count; ++i) out[i] = 0.0f;
}

}  // namespace

std::vector<PixelRun> pixel_runs(const ConvSpec& spec, const PlanesF32& x, ptrdiff_t begin,
                                 ptrdiff_t count, ptrdiff_t panel) {
  const ptrdiff_t oh = spec.out_h(x.h), ow = spec.out_w(x.w);
  std::vector<PixelRun> runs;
  for (ptrdiff_t column = 0; column < count;) {
    const ptrdiff_t pixel = begin + column, ox = pixel % ow;
    const ptrdiff_t length = std::min({ow - ox, panel - column % panel, count - column});
    runs.push_back({column, length, pixel / (oh * ow), pixel / ow % oh, ox});
    column += length;
  }
  return runs;
}

void im2col_panels(const ConvSpec& spec, const PlanesF32& x, const std::vector<PixelRun>& runs,
                   const Im2colBlock& block, ptrdiff_t k_begin, ptrdiff_t depth, float* out) {
  const ptrdiff_t plane = x.h * x.w;
  for (const PixelRun& run : runs) {
    const ptrdiff_t first = run.column / block.panel * block.panel;
    const ptrdiff_t width = first + block.panel <= block.columns ? block.panel : block.last_width;
    float* to = out + first * depth + (run.column - first);
    const float* image = x.data + (run.image * x.channels + x.first) * plane;
    const ptrdiff_t top = run.oy * spec.stride_h - spec.pad_top;
    const ptrdiff_t left = run.ox * spec.stride_w - spec.pad_left;
    ptrdiff_t kx = k_begin % spec.kernel_w, ky = k_begin / spec.kernel_w % spec.kernel_h;
    ptrdiff_t c = k_begin / spec.taps();
    const bool last = run.column + run.count == block.columns;
    for (ptrdiff_t k = 0; k < depth; ++k, to += width) {
      const ptrdiff_t iy = top + ky * spec.dilation_h;
      const float* row = 0 <= iy && iy < x.h ? image + c * plane + iy * x.w : nullptr;
      copy_run(row, x.w, left + kx * spec.dilation_w, spec.stride_w, run.count, to);
      if (last) std::fill(to + run.count, to + width - (run.column - first), 0.0f);
      if (++kx == spec.kernel_w) {
        kx = 0;
        if (++ky == spec.kernel_h) ky = 0, ++c;
      }
    }
  }
}

}  // namespace qg
