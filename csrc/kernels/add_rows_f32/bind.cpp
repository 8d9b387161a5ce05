#include "kernels/add_rows_f32/add_rows_f32.h"

#include <algorithm>

#include "bind.h"
#include "float_env.h"

namespace qg {
namespace {

Array<float> add_rows(const Array<float>& g, const Array<int64_t>& rows, ptrdiff_t count) {
  const float* from = elements(g, 2, "g[n][width]");
  const int64_t* row = elements(rows, 1, "rows[n]");
  const ptrdiff_t n = g.shape(0), width = g.shape(1);
  require(rows.shape(0) == n && count >= 0, "one row number for each row of g");
  const bool inside = std::all_of(row, row + n, [&](int64_t r) { return 0 <= r && r < count; });
  require(inside, "row numbers in [0, count)");
  Array<float> result = new_array<float>({count, width});
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  std::fill(y, y + count * width, 0.0f);
  add_rows_f32(from, row, n, width, y);
  return result;
}

}  // namespace

void bind_add_rows_f32(py::module_& m) {
  m.def("add_rows_f32", &add_rows, py::arg("g").noconvert(), py::arg("rows").noconvert(),
        py::arg("count"));
}

}  // namespace qg
