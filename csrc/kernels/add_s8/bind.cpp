#include <algorithm>
#include <cmath>

#include "bind.h"
#include "float_env.h"
#include "kernels/add_s8/add_s8.h"

namespace qg {
namespace {

Array<uint8_t> add_arrays(const Array<uint8_t>& a, const Array<uint8_t>& b, float sa, int32_t za,
                          float sb, int32_t zb, float sy, int32_t zy, int32_t qmin, int32_t qmax) {
  require(a.ndim() == b.ndim() && std::equal(a.shape(), a.shape() + a.ndim(), b.shape()),
          "a and b of one shape");
  const OutputCodes out = output_codes(zy, qmin, qmax);
  const FloatEnvironment defaults;
  const AddTerms terms = add_terms({sa, input_zero_point(za)}, {sb, input_zero_point(zb)}, sy, out);
  require(add_terms_usable(terms), "scales whose quotients are finite");
  Array<uint8_t> result = new_array<uint8_t>({a.shape(), a.shape() + a.ndim()});
  const uint8_t *first = a.data(), *second = b.data();
  uint8_t* y = result.mutable_data();
  const ptrdiff_t n = a.size();
  const py::gil_scoped_release unlocked;
  add_s8(first, second, n, terms, out, y);
  return result;
}

}  // namespace

void bind_add_s8(py::module_& m) {
  m.def("add_s8", &add_arrays, py::arg("a").noconvert(), py::arg("b").noconvert(), py::arg("sa"),
        py::arg("za"), py::arg("sb"), py::arg("zb"), py::arg("sy"), py::arg("zy"), py::arg("qmin"),
        py::arg("qmax"));
}

}  // namespace qg
