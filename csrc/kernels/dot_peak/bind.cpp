#include "bind.h"
#include "kernels/dot_peak/dot_peak.h"

namespace qg {

Dispatch<DotPeakVariant> dot_peak_variants;

namespace {

// Returns the multiplications and additions done, and what keeps the compiler from leaving them
// out.
std::pair<int64_t, int32_t> dot_peak(int64_t iterations) {
  const DotPeakVariant& variant = dot_peak_variants.get();
  uint8_t codes[64];
  int8_t weights[64];
  for (int i = 0; i < 64; ++i)
    codes[i] = static_cast<uint8_t>(i), weights[i] = static_cast<int8_t>(i);
  const py::gil_scoped_release unlocked;
  const int32_t sum = variant.run(codes, weights, iterations);
  return {iterations * variant.dots * variant.lanes * 8, sum};
}

}  // namespace

void bind_dot_peak(py::module_& m) { m.def("dot_peak", &dot_peak, py::arg("iterations")); }

}  // namespace qg
