// What every bind.cpp needs: array arguments that are what they claim, and results.
//
// The Python door (qgrad/kernels) explains errors to users; the checks here only keep wrong calls
// of the extension itself from reading out of bounds.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "codes.h"
#include "storage/array_memory.h"

namespace qg {

namespace py = pybind11;

// With py::arg().noconvert(): C-contiguous, of exactly this type.
template <class T>
using Array = py::array_t<T, py::array::c_style>;

inline void require(bool holds, const char* rule) {
  if (!holds) throw std::invalid_argument(std::string("qgrad._core: required ") + rule);
}

// The elements of an argument, after its number of dimensions and its alignment are checked.
template <class T>
const T* elements(const Array<T>& array, ptrdiff_t ndim, const char* rule) {
  require(array.ndim() == ndim, rule);
  const T* data = array.data();
  require(reinterpret_cast<uintptr_t>(data) % alignof(T) == 0, "aligned arrays");
  return data;
}

// One element per output channel.
template <class T>
const T* per_channel(const Array<T>& array, ptrdiff_t channels) {
  const T* data = elements(array, 1, "one-dimensional bias and mult");
  require(array.shape(0) == channels, "one bias and one mult per output channel");
  return data;
}

inline OutputCodes output_codes(int32_t zero_point, int32_t qmin, int32_t qmax) {
  require(0 <= qmin && qmin <= zero_point && zero_point <= qmax && qmax <= 255,
          "0 <= qmin <= zy <= qmax <= 255");
  return {zero_point, qmin, qmax};
}

inline int32_t input_zero_point(int32_t zero_point) {
  require(0 <= zero_point && zero_point <= 255, "0 <= zx <= 255");
  return zero_point;
}

// Not initialized. What is large is aligned, and its memory is used again.
template <class T>
Array<T> new_array(const std::vector<ptrdiff_t>& shape) {
  double bytes = sizeof(T);
  for (const ptrdiff_t n : shape) bytes *= static_cast<double>(n);
  const BlockArrays memory(bytes >= 1e6 ? size_t{1000000} : static_cast<size_t>(bytes));
  return Array<T>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

}  // namespace qg
