#include "kernels/gather_f32/gather_f32.h"

#include <algorithm>

#include "parallel.h"

namespace qg {

namespace {

// Threads share the outer dims, so that each chain of sums is one thread's.
template <class Use>
void for_outer(const GatherShape& shape, const Use& use) {
  const ptrdiff_t part = std::max<ptrdiff_t>(1, shape.count * shape.inner);
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kComputedElements / part);
  parallel_for(shape.outer, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t o = begin; o < end; ++o) use(o * part, o * shape.size * shape.inner);
  });
}

}  // namespace

void gather_f32(const float* x, const int64_t* places, const GatherShape& shape, float* y) {
  for_outer(shape, [&](ptrdiff_t at, ptrdiff_t from) {
    for (ptrdiff_t m = 0; m < shape.count; ++m) {
      for (ptrdiff_t i = 0; i < shape.inner; ++i, ++at) {
        y[at] = x[from + places[at] * shape.inner + i];
      }
    }
  });
}

void scatter_add_f32(const float* g, const int64_t* places, const GatherShape& shape, float* y) {
  for_outer(shape, [&](ptrdiff_t at, ptrdiff_t to) {
    for (ptrdiff_t m = 0; m < shape.count; ++m) {
      for (ptrdiff_t i = 0; i < shape.inner; ++i, ++at) {
        y[to + places[at] * shape.inner + i] += g[at];
      }
    }
  });
}

}  // namespace qg
