#include "bind.h"
#include "float_env.h"
#include "kernels/softmax_f32/softmax_f32.h"

namespace qg {
namespace {

Array<float> softmax(const Array<float>& x, ptrdiff_t axis, bool log) {
  require(0 <= axis && axis < x.ndim(), "an axis of x");
  SoftmaxShape shape{1, x.shape(axis), 1};
  for (ptrdiff_t i = 0; i < axis; ++i) shape.outer *= x.shape(i);
  for (ptrdiff_t i = axis + 1; i < x.ndim(); ++i) shape.inner *= x.shape(i);
  Array<float> result = new_array<float>({x.shape(), x.shape() + x.ndim()});
  const float* from = x.data();
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  softmax_f32(from, shape, log, y);
  return result;
}

}  // namespace

void bind_softmax_f32(py::module_& m) {
  m.def("softmax_f32", &softmax, py::arg("x").noconvert(), py::arg("axis"), py::arg("log"));
}

}  // namespace qg
