#include "bind.h"
#include "float_env.h"
#include "kernels/binary_f32/binary_f32.h"

namespace qg {
namespace {

py::list names() {
  py::list found;
#define QG_SINGLE(name, y) found.append(#name);
#define QG_WIDE(name, y) found.append(#name);
#include "kernels/binary_f32/binary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
  return found;
}

std::vector<ptrdiff_t> shape_of(const Array<float>& x) { return {x.shape(), x.shape() + x.ndim()}; }

// The door has checked that the shapes broadcast; here only that every step stays inside.
std::vector<ptrdiff_t> result_shape(std::vector<ptrdiff_t> a, std::vector<ptrdiff_t> b) {
  if (a.size() < b.size()) std::swap(a, b);
  const size_t shift = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    require(a[shift + i] == b[i] || a[shift + i] == 1 || b[i] == 1, "shapes that broadcast");
    if (a[shift + i] == 1) a[shift + i] = b[i];
  }
  return a;
}

Array<float> binary(int32_t function, const Array<float>& a, const Array<float>& b) {
  require(0 <= function && function < kBinaryF32Count, "an index into binary_f32_names()");
  Array<float> result = new_array<float>(result_shape(shape_of(a), shape_of(b)));
  const std::vector<BroadcastAxis> axes = broadcast_axes(shape_of(a), shape_of(b));
  const float* left = a.data();
  const float* right = b.data();
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  binary_f32(static_cast<BinaryF32>(function), left, right, axes, y);
  return result;
}

}  // namespace

void bind_binary_f32(py::module_& m) {
  m.def("binary_f32_names", &names);
  m.def("binary_f32", &binary, py::arg("function"), py::arg("a").noconvert(),
        py::arg("b").noconvert());
}

}  // namespace qg
