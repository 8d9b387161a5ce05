#include <algorithm>

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

Array<float> softmax_dinput(const Array<float>& g, const Array<float>& y) {
  require(y.ndim() > 0 && g.ndim() == y.ndim() &&
              std::equal(g.shape(), g.shape() + g.ndim(), y.shape()),
          "g and y of one shape");
  const ptrdiff_t n = y.shape(y.ndim() - 1);
  ptrdiff_t rows = 1;
  for (ptrdiff_t i = 0; i + 1 < y.ndim(); ++i) rows *= y.shape(i);
  Array<float> result = new_array<float>({y.shape(), y.shape() + y.ndim()});
  const float *from = g.data(), *outputs = y.data();
  float* dx = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  softmax_dinput_f32(from, outputs, rows, n, dx);
  return result;
}

}  // namespace

void bind_softmax_f32(py::module_& m) {
  m.def("softmax_f32", &softmax, py::arg("x").noconvert(), py::arg("axis"), py::arg("log"));
  m.def("softmax_dinput_f32", &softmax_dinput, py::arg("g").noconvert(), py::arg("y").noconvert());
}

}  // namespace qg
