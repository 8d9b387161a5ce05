#include <pybind11/stl.h>

#include "bind.h"
#include "float_env.h"
#include "kernels/reduce_f32/reduce_f32.h"

namespace qg {
namespace {

// The result has the kept axes only.
Array<float> reduce(int32_t function, const Array<float>& x, const std::vector<bool>& reduced) {
  require(0 <= function && function <= static_cast<int32_t>(ReduceF32::amax), "sum, mean or amax");
  require(static_cast<ptrdiff_t>(reduced.size()) == x.ndim(), "one flag for each axis");
  std::vector<ReduceAxis> axes;
  std::vector<ptrdiff_t> kept;
  for (ptrdiff_t i = 0; i < x.ndim(); ++i) {
    axes.push_back({x.shape(i), reduced[static_cast<size_t>(i)]});
    if (!axes.back().reduced) kept.push_back(x.shape(i));
  }
  Array<float> result = new_array<float>(kept);
  const float* from = x.data();
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  reduce_f32(static_cast<ReduceF32>(function), from, axes, y);
  return result;
}

}  // namespace

void bind_reduce_f32(py::module_& m) {
  m.def("reduce_f32", &reduce, py::arg("function"), py::arg("x").noconvert(), py::arg("reduced"));
}

}  // namespace qg
