#include "float_env.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/quantize/code_arrays.h"

namespace qg {
namespace {

Array<float> dequantize_array(const py::array& codes, const Array<float>& scale,
                              const Array<int32_t>& zero_point, ptrdiff_t axis) {
  require((codes.flags() & py::array::c_style) != 0, "C-contiguous codes");
  const CodeType type = code_type(codes.dtype());
  const void* data = codes.data();
  require(type != CodeType::s32 || reinterpret_cast<uintptr_t>(data) % alignof(int32_t) == 0,
          "aligned arrays");
  const ChannelLayout layout = channel_layout(codes, axis);
  const float* s = per_channel(scale, layout.channels);
  const int32_t* z = per_channel(zero_point, layout.channels);
  Array<float> result = new_array<float>(shape_of(codes));
  float* x = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  dequantize(data, type, layout, s, z, x);
  return result;
}

}  // namespace

void bind_dequantize(py::module_& m) {
  m.def("dequantize", &dequantize_array, py::arg("codes"), py::arg("scale").noconvert(),
        py::arg("zero_point").noconvert(), py::arg("axis"));
}

}  // namespace qg
