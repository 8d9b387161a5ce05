#include "kernels/max_pool_s8/max_pool_s8.h"
#include "kernels/pool_arrays.h"

namespace qg {
namespace {

Array<uint8_t> max_pool(const Array<uint8_t>& x, const Array<int32_t>& rows,
                        const Array<int32_t>& cols) {
  const Images images = pool_images(x);
  const PoolGrid grid = pool_grid(rows, cols, images);
  Array<uint8_t> result =
      new_array<uint8_t>({images.batch, grid.out_h, grid.out_w, images.channels});
  uint8_t* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  max_pool_s8(images, grid, y, 0, images.batch * grid.out_h * grid.out_w);
  return result;
}

}  // namespace

void bind_max_pool_s8(py::module_& m) {
  m.def("max_pool_s8", &max_pool, py::arg("x").noconvert(), py::arg("rows").noconvert(),
        py::arg("cols").noconvert());
}

}  // namespace qg
