#include "bind.h"
#include "float_env.h"
#include "kernels/affine_f32/affine_f32.h"

namespace qg {
namespace {

Array<float> affine(const Array<float>& x, const Array<float>& scale, const Array<float>& shift,
                    ptrdiff_t axis) {
  require(0 <= axis && axis < x.ndim(), "an axis of x");
  AffineShape shape{1, x.shape(axis), 1};
  for (ptrdiff_t i = 0; i < axis; ++i) shape.outer *= x.shape(i);
  for (ptrdiff_t i = axis + 1; i < x.ndim(); ++i) shape.inner *= x.shape(i);
  const float* s = per_channel(scale, shape.channels);
  const float* t = per_channel(shift, shape.channels);
  Array<float> result = new_array<float>({x.shape(), x.shape() + x.ndim()});
  const float* from = x.data();
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  affine_f32(from, shape, s, t, y);
  return result;
}

}  // namespace

void bind_affine_f32(py::module_& m) {
  m.def("affine_f32", &affine, py::arg("x").noconvert(), py::arg("scale").noconvert(),
        py::arg("shift").noconvert(), py::arg("axis"));
}

}  // namespace qg
