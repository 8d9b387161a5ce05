// Arguments that quantize and dequantize share in their bindings.
#pragma once

#include "bind.h"
#include "kernels/quantize/quantize.h"

namespace qg {

// A tensor as [outer][channels][inner] around its channel axis; axis -1 means per tensor.
inline ChannelLayout channel_layout(const py::array& x, ptrdiff_t axis) {
  require(-1 <= axis && axis < x.ndim(), "an axis of x");
  if (axis < 0) return {1, 1, x.size()};
  ChannelLayout layout{1, x.shape(axis), 1};
  for (ptrdiff_t i = 0; i < axis; ++i) layout.outer *= x.shape(i);
  for (ptrdiff_t i = axis + 1; i < x.ndim(); ++i) layout.inner *= x.shape(i);
  return layout;
}

inline CodeType code_type(const py::dtype& dtype) {
  if (dtype.is(py::dtype::of<uint8_t>())) return CodeType::u8;
  if (dtype.is(py::dtype::of<int8_t>())) return CodeType::s8;
  require(dtype.is(py::dtype::of<int32_t>()), "codes of uint8, int8 or int32");
  return CodeType::s32;
}

inline std::vector<ptrdiff_t> shape_of(const py::array& x) {
  return {x.shape(), x.shape() + x.ndim()};
}

}  // namespace qg
