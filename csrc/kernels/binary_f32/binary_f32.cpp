#include "kernels/binary_f32/binary_f32.h"

#include <algorithm>

#include "parallel.h"

namespace qg {

Dispatch<BinaryF32Variant> binary_f32_variants;

namespace {

ptrdiff_t size_at(const std::vector<ptrdiff_t>& shape, ptrdiff_t axis) {
  return axis < 0 ? 1 : shape[static_cast<size_t>(axis)];
}

// Whether `outer` followed by `inner` is one axis for an operand.
bool joins(ptrdiff_t outer_step, const BroadcastAxis& inner, ptrdiff_t inner_step) {
  return outer_step == inner_step * inner.size;
}

constexpr ptrdiff_t kGrain[] = {
#define QG_SINGLE(name, y) kMovedElements,
#define QG_WIDE(name, y) kComputedElements,
#include "kernels/binary_f32/binary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
};

void run(BinaryF32 function, const float* a, const float* b, const BroadcastAxis* axis,
         const BroadcastAxis* last, float*& y) {
  if (axis == last) {
    const BinaryF32Variant& variant = binary_f32_variants.get();
    variant.functions[static_cast<int32_t>(function)](a, axis->a_step, b, axis->b_step, axis->size,
                                                      y);
    y += axis->size;
    return;
  }
  for (ptrdiff_t i = 0; i < axis->size; ++i) {
    run(function, a + i * axis->a_step, b + i * axis->b_step, axis + 1, last, y);
  }
}

}  // namespace

std::vector<BroadcastAxis> broadcast_axes(const std::vector<ptrdiff_t>& a,
                                          const std::vector<ptrdiff_t>& b) {
  const ptrdiff_t rank_a = static_cast<ptrdiff_t>(a.size()),
                  rank_b = static_cast<ptrdiff_t>(b.size());
  const ptrdiff_t rank = std::max(rank_a, rank_b);
  std::vector<BroadcastAxis> reversed;
  ptrdiff_t a_step = 1, b_step = 1;
  for (ptrdiff_t i = rank - 1; i >= 0; --i) {
    const ptrdiff_t na = size_at(a, i - (rank - rank_a)), nb = size_at(b, i - (rank - rank_b));
    const BroadcastAxis axis{na == 1 ? nb : na, na == 1 ? 0 : a_step, nb == 1 ? 0 : b_step};
    a_step *= na;
    b_step *= nb;
    if (axis.size == 1) continue;
    if (!reversed.empty() && joins(axis.a_step, reversed.back(), reversed.back().a_step) &&
        joins(axis.b_step, reversed.back(), reversed.back().b_step)) {
      reversed.back().size *= axis.size;
    } else {
      reversed.push_back(axis);
    }
  }
  if (reversed.empty()) reversed.push_back({1, 0, 0});
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

void binary_f32(BinaryF32 function, const float* a, const float* b,
                const std::vector<BroadcastAxis>& axes, float* y) {
  ptrdiff_t row = 1;  // elements of one step of the first axis
  for (const BroadcastAxis& axis : axes) {
    if (axis.size == 0) return;
    if (&axis != axes.data()) row *= axis.size;
  }
  const ptrdiff_t grain = kGrain[static_cast<int32_t>(function)];
  const auto some = [&](ptrdiff_t begin, ptrdiff_t end) {
    std::vector<BroadcastAxis> mine = axes;
    mine[0].size = end - begin;
    float* to = y + begin * row;
    run(function, a + begin * axes[0].a_step, b + begin * axes[0].b_step, mine.data(),
        mine.data() + mine.size() - 1, to);
  };
  if (row == 1) return parallel_elements(axes[0].size, grain, some);
  parallel_for(axes[0].size, std::max<ptrdiff_t>(1, grain / row), some);
}

}  // namespace qg
