#include <optional>

#include <pybind11/stl.h>

#include "bind.h"
#include "float_env.h"
#include "kernels/layer_norm_f32/layer_norm_f32.h"

namespace qg {
namespace {

const float* term(const std::optional<Array<float>>& array, ptrdiff_t size) {
  if (!array) return nullptr;
  require(array->size() == size, "weight and bias of `size` elements");
  return array->data();
}

Array<float> layer_norm(const Array<float>& x, ptrdiff_t size,
                        const std::optional<Array<float>>& weight,
                        const std::optional<Array<float>>& bias, double eps) {
  require(size > 0 && x.size() % size == 0, "x of whole rows");
  const LayerNormTerms terms{term(weight, size), term(bias, size), eps};
  Array<float> result = new_array<float>({x.shape(), x.shape() + x.ndim()});
  const float* from = x.data();
  float* y = result.mutable_data();
  const ptrdiff_t rows = x.size() / size;
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  layer_norm_f32(from, rows, size, terms, y);
  return result;
}

py::tuple layer_norm_grads(const Array<float>& g, const Array<float>& x, ptrdiff_t size,
                           const std::optional<Array<float>>& weight, double eps) {
  require(size > 0 && x.size() % size == 0 && g.size() == x.size(), "g and x of whole rows");
  const LayerNormTerms terms{term(weight, size), nullptr, eps};
  Array<float> dx = new_array<float>({x.shape(), x.shape() + x.ndim()});
  Array<float> dweight = new_array<float>({size}), dbias = new_array<float>({size});
  const LayerNormGrads out{dx.mutable_data(), dweight.mutable_data(), dbias.mutable_data()};
  const float *gradient = g.data(), *from = x.data();
  const ptrdiff_t rows = x.size() / size;
  {
    const py::gil_scoped_release unlocked;
    const FloatEnvironment defaults;
    layer_norm_grads_f32(gradient, from, rows, size, terms, out);
  }
  return py::make_tuple(dx, dweight, dbias);
}

}  // namespace

void bind_layer_norm_f32(py::module_& m) {
  m.def("layer_norm_f32", &layer_norm, py::arg("x").noconvert(), py::arg("size"),
        py::arg("weight").noconvert().none(true), py::arg("bias").noconvert().none(true),
        py::arg("eps"));
  m.def("layer_norm_grads_f32", &layer_norm_grads, py::arg("g").noconvert(),
        py::arg("x").noconvert(), py::arg("size"), py::arg("weight").noconvert().none(true),
        py::arg("eps"));
}

}  // namespace qg
