// y[rows[i]][j] += g[i][j] for i ascending: the gradient of looking up rows of a table
//
// y float32 [count][width], g float32 [n][width], rows int64 [n] in [0, count). The sum of a row is
// a chain over ascending i, for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qg {

void add_rows_f32(const float* g, const int64_t* rows, ptrdiff_t n, ptrdiff_t width, float* y);

}  // namespace qg
