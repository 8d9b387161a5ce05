#include "bind.h"
#include "kernels/lut_u8/lut_u8.h"

namespace qg {
namespace {

Array<uint8_t> lut(const Array<uint8_t>& x, const Array<uint8_t>& table) {
  const uint8_t* entries = elements(table, 1, "table[256]");
  require(table.shape(0) == 256, "table[256]");
  Array<uint8_t> result = new_array<uint8_t>({x.shape(), x.shape() + x.ndim()});
  const uint8_t* codes = x.data();
  uint8_t* y = result.mutable_data();
  const ptrdiff_t n = x.size();
  const py::gil_scoped_release unlocked;
  lut_u8(codes, n, entries, y);
  return result;
}

}  // namespace

void bind_lut_u8(py::module_& m) {
  m.def("lut_u8", &lut, py::arg("x").noconvert(), py::arg("table").noconvert());
}

}  // namespace qg
