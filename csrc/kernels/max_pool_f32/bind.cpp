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

Array<float> max_pool_dinput(const Array<float>& g, const Array<float>& x,
                             const Array<int32_t>& rows, const Array<int32_t>& cols) {
  const FloatPlanes planes{elements(x, 4, "x[B][C][H][W]"), x.shape(0) * x.shape(1), x.shape(2),
                           x.shape(3)};
  const PoolGrid grid{pool_windows(rows, planes.h), pool_windows(cols, planes.w), rows.shape(0),
                      cols.shape(0)};
  const float* from = elements(g, 4, "g[B][C][rows][cols]");
  require(g.shape(0) == x.shape(0) && g.shape(1) == x.shape(1) && g.shape(2) == grid.out_h &&
              g.shape(3) == grid.out_w,
          "g[B][C][rows][cols]");
  Array<float> result = new_array<float>({x.shape(), x.shape() + 4});
  float* dx = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  max_pool_dinput_f32(from, planes, grid, dx);
  return result;
}

}  // namespace

void bind_max_pool_f32(py::module_& m) {
  m.def("max_pool_f32", &max_pool, py::arg("x").noconvert(), py::arg("rows").noconvert(),
        py::arg("cols").noconvert());
  m.def("max_pool_dinput_f32", &max_pool_dinput, py::arg("g").noconvert(), py::arg("x").noconvert(),
        py::arg("rows").noconvert(), py::arg("cols").noconvert());
}

}  // namespace qg
