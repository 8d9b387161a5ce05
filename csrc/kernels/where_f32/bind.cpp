#include "kernels/where_f32/where_f32.h"

#include "bind.h"

namespace qg {
namespace {

// An operand has the condition's shape, or one element for all.
ptrdiff_t step_of(const Array<float>& x, const Array<bool>& condition) {
  require(reinterpret_cast<uintptr_t>(x.data()) % alignof(float) == 0, "aligned arrays");
  if (x.size() == 1) return 0;
  require(x.ndim() == condition.ndim(), "operands of the condition's shape");
  for (ptrdiff_t i = 0; i < x.ndim(); ++i) {
    require(x.shape(i) == condition.shape(i), "operands of the condition's shape");
  }
  return 1;
}

Array<float> where(const Array<bool>& condition, const Array<float>& a, const Array<float>& b) {
  const ptrdiff_t a_step = step_of(a, condition), b_step = step_of(b, condition);
  Array<float> result = new_array<float>({condition.shape(), condition.shape() + condition.ndim()});
  const auto* chosen = reinterpret_cast<const uint8_t*>(condition.data());
  const float *left = a.data(), *right = b.data();
  float* y = result.mutable_data();
  const ptrdiff_t count = condition.size();
  const py::gil_scoped_release unlocked;
  where_f32(chosen, left, a_step, right, b_step, count, y);
  return result;
}

}  // namespace

void bind_where_f32(py::module_& m) {
  m.def("where_f32", &where, py::arg("condition").noconvert(), py::arg("a").noconvert(),
        py::arg("b").noconvert());
}

}  // namespace qg
