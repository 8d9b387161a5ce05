#include "kernels/reduce_f32/reduce_f32.h"

#include <algorithm>
#include <limits>

#include "aligned.h"
#include "lanes.h"
#include "parallel.h"

namespace qg {

Dispatch<ReduceF32Variant> reduce_f32_variants;

namespace {

constexpr ptrdiff_t kLanes = 8;
constexpr ptrdiff_t kColumnBlock = 1024;

struct Axis {
  ptrdiff_t size, step;
};

struct Layout {
  std::vector<Axis> kept, reduced;  // without the innermost axis
  Axis inner{1, 1};
  bool inner_reduced = true;
  ptrdiff_t count = 1;  // elements of one sum
};

// Neighbouring axes of one kind are one axis, axes of size 1 are none.
Layout layout_of(const std::vector<ReduceAxis>& axes) {
  std::vector<ReduceAxis> joined;
  for (const ReduceAxis& axis : axes) {
    if (axis.size == 1) continue;
    if (!joined.empty() && joined.back().reduced == axis.reduced) {
      joined.back().size *= axis.size;
    } else {
      joined.push_back(axis);
    }
  }
  Layout layout;
  ptrdiff_t step = 1;
  for (size_t i = joined.size(); i-- > 0; step *= joined[i].size) {
    if (joined[i].reduced) layout.count *= joined[i].size;
    if (i + 1 == joined.size()) {
      layout.inner = {joined[i].size, 1};
      layout.inner_reduced = joined[i].reduced;
    } else {
      (joined[i].reduced ? layout.reduced : layout.kept).push_back({joined[i].size, step});
    }
  }
  std::reverse(layout.kept.begin(), layout.kept.end());
  std::reverse(layout.reduced.begin(), layout.reduced.end());
  return layout;
}

// Calls use(offset) for every index into the axes, the last fastest.
template <class Use>
void for_offsets(const std::vector<Axis>& axes, size_t depth, ptrdiff_t offset, const Use& use) {
  if (depth == axes.size()) return use(offset);
  for (ptrdiff_t i = 0; i < axes[depth].size; ++i) {
    for_offsets(axes, depth + 1, offset + i * axes[depth].step, use);
  }
}

struct Reduction {
  ReduceF32 function;
  double count;

  bool sums() const { return function != ReduceF32::amax; }
  double start() const { return sums() ? 0.0 : -std::numeric_limits<double>::infinity(); }
  double join(double a, double b) const { return sums() ? a + b : (b > a || b != b ? b : a); }

  // Of the eight lanes, `step` apart.
  float result(const double* lane, ptrdiff_t step) const {
    const double all = joined_lanes(lane, step, [this](double a, double b) { return join(a, b); });
    return static_cast<float>(function == ReduceF32::mean ? all / count : all + 0.0);
  }
};

ptrdiff_t size_of(const std::vector<Axis>& axes) {
  ptrdiff_t size = 1;
  for (const Axis& axis : axes) size *= axis.size;
  return size;
}

// Where index `i` into the axes lies, the last fastest.
ptrdiff_t offset_of(const std::vector<Axis>& axes, ptrdiff_t i) {
  ptrdiff_t offset = 0;
  for (size_t axis = axes.size(); axis-- > 0; i /= axes[axis].size) {
    offset += i % axes[axis].size * axes[axis].step;
  }
  return offset;
}

ptrdiff_t grain_for(ptrdiff_t elements) {
  return std::max<ptrdiff_t>(1, kComputedElements / std::max<ptrdiff_t>(1, elements));
}

void reduce_rows(const Reduction& reduction, const float* x, const Layout& layout, float* y) {
  const ReduceF32Variant& variant = reduce_f32_variants.get();
  parallel_for(size_of(layout.kept), grain_for(layout.count), [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t row = begin; row < end; ++row) {
      double lanes[kLanes];
      std::fill(lanes, lanes + kLanes, reduction.start());
      ptrdiff_t first = 0;
      for_offsets(layout.reduced, 0, offset_of(layout.kept, row), [&](ptrdiff_t offset) {
        variant.run(reduction.sums(), x + offset, layout.inner.size, first % kLanes, lanes);
        first += layout.inner.size;
      });
      y[row] = reduction.result(lanes, 1);
    }
  });
}

// Some columns of one kept index. A lane is summed as a whole, its rows in order: so its sums stay
// in the first-level cache and memory is read in long runs.
struct ColumnSums {
  const Reduction& reduction;
  const float* x;
  const std::vector<Axis>& reduced;
  ptrdiff_t count, columns;

  void add_lane(ptrdiff_t lane, double* sums) const {
    const ReduceF32Variant& variant = reduce_f32_variants.get();
    std::fill(sums, sums + columns, reduction.start());
    constexpr ptrdiff_t kRows = 16;
    const float* rows[kRows];
    for (ptrdiff_t i = lane; i < count;) {
      ptrdiff_t some = 0;
      for (; some < kRows && i < count; i += kLanes) rows[some++] = x + offset_of(reduced, i);
      variant.columns(reduction.sums(), rows, some, columns, sums);
    }
  }

  void finish(const double* lanes, float* y) const {
    for (ptrdiff_t i = 0; i < columns; ++i) y[i] = reduction.result(lanes + i, columns);
  }
};

void reduce_columns(const Reduction& reduction, const float* x, const Layout& layout, float* y) {
  const ptrdiff_t columns = layout.inner.size, blocks = (columns + kColumnBlock - 1) / kColumnBlock;
  const ptrdiff_t pieces = size_of(layout.kept) * blocks, widest = std::min(columns, kColumnBlock);
  const ptrdiff_t grain = grain_for(layout.count * widest);
  const auto piece = [&](ptrdiff_t i, const auto& run) {
    const ptrdiff_t begin = i % blocks * kColumnBlock;
    run(ColumnSums{reduction, x + offset_of(layout.kept, i / blocks) + begin, layout.reduced,
                   layout.count, std::min(kColumnBlock, columns - begin)},
        y + i / blocks * columns + begin);
  };
  if (pieces >= 2 * thread_count() || grain > 1 || thread_count() == 1) {
    parallel_for(pieces, grain, [&](ptrdiff_t first, ptrdiff_t last) {
      AlignedVector<double> lanes(static_cast<size_t>(kLanes * widest));
      for (; first < last; ++first) {
        piece(first, [&](const ColumnSums& sums, float* to) {
          for (ptrdiff_t lane = 0; lane < kLanes; ++lane) {
            sums.add_lane(lane, lanes.data() + lane * sums.columns);
          }
          sums.finish(lanes.data(), to);
        });
      }
    });
    return;
  }
  // Few and long ones: threads share the lanes of each.
  AlignedVector<double> lanes(static_cast<size_t>(kLanes * widest));
  for (ptrdiff_t i = 0; i < pieces; ++i) {
    piece(i, [&](const ColumnSums& sums, float* to) {
      const ptrdiff_t of_lane = sums.count * sums.columns / kLanes;
      parallel_for(kLanes, grain_for(of_lane), [&](ptrdiff_t first, ptrdiff_t last) {
        for (; first < last; ++first) {
          sums.add_lane(first, lanes.data() + first * sums.columns);
        }
      });
      sums.finish(lanes.data(), to);
    });
  }
}

}  // namespace

void reduce_f32(ReduceF32 function, const float* x, const std::vector<ReduceAxis>& axes, float* y) {
  const Layout layout = layout_of(axes);
  const Reduction reduction{function, static_cast<double>(layout.count)};
  if (layout.count == 0) {
    ptrdiff_t outputs = 1;
    for (const ReduceAxis& axis : axes) outputs *= axis.reduced ? 1 : axis.size;
    const double nothing[kLanes] = {};
    std::fill(y, y + outputs, reduction.result(nothing, 1));
    return;
  }
  layout.inner_reduced ? reduce_rows(reduction, x, layout, y)
                       : reduce_columns(reduction, x, layout, y);
}

}  // namespace qg
