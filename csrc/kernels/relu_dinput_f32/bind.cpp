#include "bind.h"
#include "kernels/relu_dinput_f32/relu_dinput_f32.h"

namespace qg {
namespace {

Array<float> relu_dinput(const Array<float>& g, const Array<float>& y) {
  require(g.size() == y.size(), "g and y of one shape");
  Array<float> result = new_array<float>({g.shape(), g.shape() + g.ndim()});
  const float *from = g.data(), *output = y.data();
  float* dx = result.mutable_data();
  const ptrdiff_t n = g.size();
  const py::gil_scoped_release unlocked;
  relu_dinput_f32(from, output, n, dx);
  return result;
}

}  // namespace

void bind_relu_dinput_f32(py::module_& m) {
  m.def("relu_dinput_f32", &relu_dinput, py::arg("g").noconvert(), py::arg("y").noconvert());
}

}  // namespace qg
