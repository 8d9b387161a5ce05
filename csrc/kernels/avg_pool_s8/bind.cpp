#include <algorithm>
#include <cmath>

#include "float_env.h"
#include "kernels/avg_pool_s8/avg_pool_s8.h"
#include "kernels/pool_arrays.h"

namespace qg {
namespace {

const int32_t* divisors(const Array<int32_t>& array, ptrdiff_t windows) {
  const int32_t* data = elements(array, 1, "one divisor per window");
  require(array.shape(0) == windows, "one divisor per window");
  require(std::all_of(data, data + windows, [](int32_t d) { return d >= 1; }), "divisors >= 1");
  return data;
}

int64_t largest(const PoolWindow* windows, ptrdiff_t n) {
  int64_t most = 0;
  for (ptrdiff_t i = 0; i < n; ++i) most = std::max<int64_t>(most, windows[i].count());
  return most;
}

Array<uint8_t> avg_pool(const Array<uint8_t>& x, const Array<int32_t>& rows,
                        const Array<int32_t>& cols, const Array<int32_t>& row_div,
                        const Array<int32_t>& col_div, float sx, int32_t zx, float sy, int32_t zy,
                        int32_t qmin, int32_t qmax) {
  const Images images = pool_images(x);
  const PoolGrid grid = pool_grid(rows, cols, images);
  require(largest(grid.rows, grid.out_h) * largest(grid.cols, grid.out_w) <= kMaxAvgPoolPixels,
          "windows of at most 8,000,000 pixels");
  require(sx > 0 && sy > 0 && std::isfinite(sx / sy), "scales > 0 with a finite quotient");
  const AvgPoolScales scales{divisors(row_div, grid.out_h), divisors(col_div, grid.out_w), sx, sy,
                             input_zero_point(zx)};
  const OutputCodes out = output_codes(zy, qmin, qmax);
  Array<uint8_t> result =
      new_array<uint8_t>({images.batch, grid.out_h, grid.out_w, images.channels});
  uint8_t* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  avg_pool_s8(images, grid, scales, out, y, 0, images.batch * grid.out_h * grid.out_w);
  return result;
}

}  // namespace

void bind_avg_pool_s8(py::module_& m) {
  m.def("avg_pool_s8", &avg_pool, py::arg("x").noconvert(), py::arg("rows").noconvert(),
        py::arg("cols").noconvert(), py::arg("row_div").noconvert(), py::arg("col_div").noconvert(),
        py::arg("sx"), py::arg("zx"), py::arg("sy"), py::arg("zy"), py::arg("qmin"),
        py::arg("qmax"));
}

}  // namespace qg
