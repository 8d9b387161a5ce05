#include "bind.h"
#include "float_env.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace qg {
namespace {

PackedGemm pack(const Array<int8_t>& w, const Array<int32_t>& bias, const Array<float>& mult,
                int32_t zx, int32_t zy, int32_t qmin, int32_t qmax) {
  const int8_t* weights = elements(w, 2, "w[N][K]");
  const ptrdiff_t n = w.shape(0), k = w.shape(1);
  const GemmWeights canonical{weights, per_channel(bias, n), per_channel(mult, n), n, 1,
                              k,       input_zero_point(zx)};
  const OutputCodes out = output_codes(zy, qmin, qmax);
  const py::gil_scoped_release unlocked;
  return PackedGemm(canonical, out);
}

Array<uint8_t> run(const PackedGemm& gemm, const Array<uint8_t>& x) {
  const uint8_t* codes = elements(x, 2, "x[M][K]");
  const ptrdiff_t m = x.shape(0);
  require(x.shape(1) == gemm.k(), "w[N][K] with the K of x");
  Array<uint8_t> result = new_array<uint8_t>({m, gemm.n()});
  uint8_t* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  gemm.run(codes, gemm.k(), y, gemm.n(), 0, m);
  return result;
}

Array<uint8_t> gemm_s8(const Array<uint8_t>& x, const Array<int8_t>& w, const Array<int32_t>& bias,
                       const Array<float>& mult, int32_t zx, int32_t zy, int32_t qmin,
                       int32_t qmax) {
  return run(pack(w, bias, mult, zx, zy, qmin, qmax), x);
}

}  // namespace

void bind_gemm_s8(py::module_& m) {
  m.def("gemm_s8", &gemm_s8, py::arg("x").noconvert(), py::arg("w").noconvert(),
        py::arg("bias").noconvert(), py::arg("mult").noconvert(), py::arg("zx"), py::arg("zy"),
        py::arg("qmin"), py::arg("qmax"));
  py::class_<PackedGemm>(m, "PackedGemm")
      .def(py::init(&pack), py::arg("w").noconvert(), py::arg("bias").noconvert(),
           py::arg("mult").noconvert(), py::arg("zx"), py::arg("zy"), py::arg("qmin"),
           py::arg("qmax"))
      .def("run", &run, py::arg("x").noconvert());
}

}  // namespace qg
