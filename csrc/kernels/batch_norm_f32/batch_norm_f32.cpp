#include "kernels/batch_norm_f32/batch_norm_f32.h"

#include <algorithm>

#include "lanes.h"
#include "parallel.h"

namespace qg {

Dispatch<BatchNormF32Variant> batch_norm_f32_variants;

namespace {

struct LaneArray {
  double lanes[kSumLanes] = {};

  double total() const { return summed_lanes(lanes); }
};

// Calls use(channel) for every channel, in several threads.
template <class Use>
void for_channels(const ChannelShape& shape, const Use& use) {
  const ptrdiff_t elements = std::max<ptrdiff_t>(1, shape.outer * shape.inner);
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kComputedElements / elements);
  parallel_for(shape.channels, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t c = begin; c < end; ++c) use(c);
  });
}

// Calls use(offset, first) for each run of a channel's neighbouring elements: where it lies, and
// how many elements of the channel come before.
template <class Use>
void for_runs(const ChannelShape& shape, ptrdiff_t channel, const Use& use) {
  for (ptrdiff_t o = 0; o < shape.outer; ++o) {
    use((o * shape.channels + channel) * shape.inner, o * shape.inner);
  }
}

}  // namespace

void batch_norm_stats_f32(const float* x, const ChannelShape& shape, float* mean, float* var) {
  const BatchNormF32Variant& variant = batch_norm_f32_variants.get();
  const double n = static_cast<double>(shape.outer * shape.inner);
  for_channels(shape, [&](ptrdiff_t c) {
    LaneArray sum, squares;
    for_runs(shape, c, [&](ptrdiff_t at, ptrdiff_t first) {
      variant.sum(x + at, shape.inner, first % kSumLanes, sum.lanes);
    });
    const double average = sum.total() / n;
    for_runs(shape, c, [&](ptrdiff_t at, ptrdiff_t first) {
      variant.squares(x + at, shape.inner, first % kSumLanes, average, squares.lanes);
    });
    mean[c] = static_cast<float>(average);
    var[c] = static_cast<float>(squares.total() / n);
  });
}

void batch_norm_grads_f32(const float* g, const float* x, const ChannelShape& shape,
                          const float* mean, const float* inverse, const float* weight,
                          const BatchNormGrads& out) {
  const BatchNormF32Variant& variant = batch_norm_f32_variants.get();
  const double n = static_cast<double>(shape.outer * shape.inner);
  for_channels(shape, [&](ptrdiff_t c) {
    LaneArray sum, products;
    for_runs(shape, c, [&](ptrdiff_t at, ptrdiff_t first) {
      variant.products(g + at, x + at, shape.inner, first % kSumLanes, static_cast<double>(mean[c]),
                       sum.lanes, products.lanes);
    });
    const double total = sum.total(), product = products.total();
    const double scale = static_cast<double>(inverse[c]);
    const double a = weight == nullptr ? scale : scale * static_cast<double>(weight[c]);
    const float b = static_cast<float>(-((a * scale) * scale) * (product / n));
    for_runs(shape, c, [&](ptrdiff_t at, ptrdiff_t) {
      variant.apply(g + at, x + at, shape.inner, static_cast<float>(total / n),
                    static_cast<float>(a), mean[c], b, out.dx + at);
    });
    out.dbias[c] = static_cast<float>(total);
    out.dweight[c] = static_cast<float>(product * scale);
  });
}

}  // namespace qg
