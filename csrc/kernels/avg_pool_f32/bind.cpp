#include "float_env.h"
#include "kernels/avg_pool_f32/avg_pool_f32.h"
#include "kernels/pool_arrays.h"

namespace qg {
namespace {

const int32_t* divisors(const Array<int32_t>& array, ptrdiff_t windows) {
  const int32_t* data = elements(array, 1, "divisors[windows]");
  require(array.shape(0) == windows, "one divisor for each window");
  return data;
}

Array<float> avg_pool(const Array<float>& x, const Array<int32_t>& rows, const Array<int32_t>& cols,
                      const Array<int32_t>& row_div, const Array<int32_t>& col_div) {
  const FloatPlanes planes{elements(x, 4, "x[B][C][H][W]"), x.shape(0) * x.shape(1), x.shape(2),
                           x.shape(3)};
  const PoolGrid grid{pool_windows(rows, planes.h), pool_windows(cols, planes.w), rows.shape(0),
                      cols.shape(0)};
  const int32_t* down = divisors(row_div, grid.out_h);
  const int32_t* across = divisors(col_div, grid.out_w);
  Array<float> result = new_array<float>({x.shape(0), x.shape(1), grid.out_h, grid.out_w});
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  avg_pool_f32(planes, grid, down, across, y);
  return result;
}

}  // namespace

void bind_avg_pool_f32(py::module_& m) {
  m.def("avg_pool_f32", &avg_pool, py::arg("x").noconvert(), py::arg("rows").noconvert(),
        py::arg("cols").noconvert(), py::arg("row_div").noconvert(),
        py::arg("col_div").noconvert());
}

}  // namespace qg
