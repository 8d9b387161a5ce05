#include "kernels/add_rows_f32/add_rows_f32.h"

#include <algorithm>

#include "parallel.h"

namespace qg {

void add_rows_f32(const float* g, const int64_t* rows, ptrdiff_t n, ptrdiff_t width, float* y) {
  // Threads share the columns, so that each row's chain is one thread's.
  const ptrdiff_t grain = std::max<ptrdiff_t>(64, kMovedElements / std::max<ptrdiff_t>(1, n));
  parallel_elements(width, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t i = 0; i < n; ++i) {
      const float* from = g + i * width;
      float* to = y + rows[i] * width;
      for (ptrdiff_t j = begin; j < end; ++j) to[j] += from[j];
    }
  });
}

}  // namespace qg
