#include "bind.h"
#include "float_env.h"
#include "kernels/unary_f32/unary_f32.h"

namespace qg {
namespace {

py::list names() {
  py::list found;
#define QG_SINGLE(name, y) found.append(#name);
#define QG_WIDE(name, y) found.append(#name);
#include "kernels/unary_f32/unary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
  return found;
}

Array<float> unary(int32_t function, const Array<float>& x, double p0, double p1) {
  require(0 <= function && function < kUnaryF32Count, "an index into unary_f32_names()");
  const double parameters[kUnaryF32Parameters] = {p0, p1};
  Array<float> result = new_array<float>({x.shape(), x.shape() + x.ndim()});
  const float* from = x.data();
  float* y = result.mutable_data();
  const ptrdiff_t n = x.size();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  unary_f32(static_cast<UnaryF32>(function), from, n, parameters, y);
  return result;
}

}  // namespace

void bind_unary_f32(py::module_& m) {
  m.def("unary_f32_names", &names);
  m.def("unary_f32", &unary, py::arg("function"), py::arg("x").noconvert(), py::arg("p0") = 0.0,
        py::arg("p1") = 0.0);
}

}  // namespace qg
