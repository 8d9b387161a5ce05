#include "bind.h"
#include "float_env.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace qg {
namespace {

Array<uint8_t> gemm(const Array<uint8_t>& x, const Array<int8_t>& w, const Array<int32_t>& bias,
                    const Array<float>& mult, int32_t zx, int32_t zy, int32_t qmin, int32_t qmax) {
  const uint8_t* codes = elements(x, 2, "x[M][K]");
  const int8_t* weights = elements(w, 2, "w[N][K]");
  const ptrdiff_t m = x.shape(0), k = x.shape(1), n = w.shape(0);
  require(w.shape(1) == k, "w[N][K] with the K of x");
  const OutputCodes out = output_codes(zy, qmin, qmax);
  const GemmWeights canonical{
      weights, per_channel(bias, n), per_channel(mult, n), n, 1, k, input_zero_point(zx)};
  Array<uint8_t> result = new_array<uint8_t>({m, n});
  uint8_t* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  PackedGemm(canonical, out).run(codes, k, y, n, 0, m);
  return result;
}

}  // namespace

void bind_gemm_s8(py::module_& m) {
  m.def("gemm_s8", &gemm, py::arg("x").noconvert(), py::arg("w").noconvert(), py::arg("bias").noconvert(),
        py::arg("mult").noconvert(), py::arg("zx"), py::arg("zy"), py::arg("qmin"), py::arg("qmax"));
}

}  // namespace qg
