#include <optional>

#include "float_env.h"
#include "kernels/quantize/code_arrays.h"

namespace qg {
namespace {

CodeRange code_range(CodeType type, int32_t qmin, int32_t qmax) {
  const int32_t lowest = type == CodeType::u8 ? 0 : type == CodeType::s8 ? -128 : INT32_MIN;
  const int32_t highest = type == CodeType::u8 ? 255 : type == CodeType::s8 ? 127 : INT32_MAX;
  require(lowest <= qmin && qmin <= qmax && qmax <= highest,
          "qmin <= qmax among the codes of the dtype");
  return {qmin, qmax};
}

// The codes, or None if x holds NaN.
std::optional<py::array> quantize_array(const Array<float>& x, const Array<float>& scale,
                                        const Array<int32_t>& zero_point, int32_t qmin,
                                        int32_t qmax, ptrdiff_t axis, const py::dtype& dtype) {
  const float* values = elements(x, x.ndim(), "x");
  const ChannelLayout layout = channel_layout(x, axis);
  const float* s = per_channel(scale, layout.channels);
  const int32_t* z = per_channel(zero_point, layout.channels);
  const CodeType type = code_type(dtype);
  const CodeRange range = code_range(type, qmin, qmax);
  for (ptrdiff_t c = 0; c < layout.channels; ++c) {
    require(range.qmin <= z[c] && z[c] <= range.qmax, "qmin <= zero_point <= qmax");
  }
  py::array result(dtype, shape_of(x));
  void* codes = result.mutable_data();
  bool no_nan = true;
  {
    const py::gil_scoped_release unlocked;
    const FloatEnvironment defaults;
    no_nan = quantize(values, layout, s, z, range, type, codes);
  }
  if (!no_nan) return std::nullopt;
  return result;
}

}  // namespace

void bind_quantize(py::module_& m) {
  m.def("quantize", &quantize_array, py::arg("x").noconvert(), py::arg("scale").noconvert(),
        py::arg("zero_point").noconvert(), py::arg("qmin"), py::arg("qmax"), py::arg("axis"),
        py::arg("dtype"));
}

}  // namespace qg
