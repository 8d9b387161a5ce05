#include <optional>

#include "bind.h"
#include "float_env.h"
#include "kernels/optimizer_f32/optimizer_f32.h"

namespace qg {
namespace {

float* changed(Array<float>& array, const Array<float>& like) {
  require(array.size() == like.size(), "arrays of one size");
  require(reinterpret_cast<uintptr_t>(array.data()) % alignof(float) == 0, "aligned arrays");
  return array.mutable_data();
}

void sgd(Array<float> p, const Array<float>& g, std::optional<Array<float>> b, float lr,
         float momentum, float damped, float weight_decay, bool nesterov, bool maximize,
         bool first) {
  float* const params = changed(p, g);
  float* const buffer = b ? changed(*b, g) : nullptr;
  const float* grads = g.data();
  const ptrdiff_t n = g.size();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  sgd_f32(params, grads, buffer, n,
          {lr, momentum, damped, weight_decay, nesterov, maximize, first});
}

void adam(Array<float> p, const Array<float>& g, Array<float> m, Array<float> v, float keep,
          float weight_decay, float rate1, float beta2, float rate2, float root, float eps,
          float step, bool maximize) {
  float* const params = changed(p, g);
  float *const mean = changed(m, g), *const square = changed(v, g);
  const float* grads = g.data();
  const ptrdiff_t n = g.size();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  adam_f32(params, grads, mean, square, n,
           {keep, weight_decay, rate1, beta2, rate2, root, eps, step, maximize});
}

}  // namespace

void bind_optimizer_f32(py::module_& m) {
  m.def("sgd_f32", &sgd, py::arg("p").noconvert(), py::arg("g").noconvert(),
        py::arg("b").noconvert().none(true), py::arg("lr"), py::arg("momentum"), py::arg("damped"),
        py::arg("weight_decay"), py::arg("nesterov"), py::arg("maximize"), py::arg("first"));
  m.def("adam_f32", &adam, py::arg("p").noconvert(), py::arg("g").noconvert(),
        py::arg("m").noconvert(), py::arg("v").noconvert(), py::arg("keep"),
        py::arg("weight_decay"), py::arg("rate1"), py::arg("beta2"), py::arg("rate2"),
        py::arg("root"), py::arg("eps"), py::arg("step"), py::arg("maximize"));
}

}  // namespace qg
