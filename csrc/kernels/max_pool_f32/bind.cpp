#include "float_env.h"
#include "kernels/max_pool_f32/max_pool_f32.h"
#include "kernels/pool_arrays.h"

namespace qg {
namespace {

Array<float> max_pool(const Array<float>& x, const Array<int32_t>& rows,
                      const Array<int32_t>& cols) {
  const FloatPlanes planes{elements(x, 4, "x[B][C][H][W]"), x.shape(0) * x.shape(1), x.shape(2),
                           x.shape(3)};
  const PoolGrid grid{pool_windows(rows, planes.h), pool_windows(cols, planes.w), rows.shape(0),
                      cols.shape(0)};
  Array<float> result = new_array<float>({x.shape(0), x.shape(1), grid.out_h, grid.out_w});
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  max_pool_f32(planes, grid, y);
  return result;
}

}  // namespace

void bind_max_pool_f32(py::module_& m) {
  m.def("max_pool_f32", &max_pool, py::arg("x").noconvert(), py::arg("rows").noconvert(),
        py::arg("cols").noconvert());
}

}  // namespace qg
