#include <array>

#include "aligned.h"
#include "bind.h"
#include "float_env.h"
#include "kernels/conv2d_s8/conv2d_s8.h"

namespace qg {
namespace {

using Pair = std::array<ptrdiff_t, 2>;
using Pads = std::array<ptrdiff_t, 4>;

// Larger sizes cannot occur in memory, and smaller ones cannot overflow the sums of out_h and
// out_w.
constexpr ptrdiff_t kMaxSize = ptrdiff_t{1} << 31;

bool within(ptrdiff_t value, ptrdiff_t low) { return low <= value && value < kMaxSize; }

ConvSpec conv_spec(const Array<int8_t>& w, const Pair& stride, const Pads& pads,
                   const Pair& dilation, ptrdiff_t groups) {
  require(within(groups, 1) && within(w.shape(3), 0), "groups >= 1");
  const ConvSpec spec{w.shape(3) * groups, w.shape(0), groups,  w.shape(1), w.shape(2), stride[0],
                      stride[1],           pads[0],    pads[1], pads[2],    pads[3],    dilation[0],
                      dilation[1]};
  require(spec.out_channels % groups == 0, "w[O][KH][KW][C/groups] with groups dividing O");
  require(within(spec.kernel_h, 1) && within(spec.kernel_w, 1), "a kernel of at least 1 x 1");
  for (const ptrdiff_t size : {stride[0], stride[1], dilation[0], dilation[1]}) {
    require(within(size, 1), "stride and dilation >= 1");
  }
  for (const ptrdiff_t pad : pads) require(within(pad, 0), "pads >= 0");
  require(
      within(dilation[0] * (spec.kernel_h - 1), 0) && within(dilation[1] * (spec.kernel_w - 1), 0),
      "a dilated kernel below 2^31");
  return spec;
}

PackedConv pack(const Array<int8_t>& w, const Array<int32_t>& bias, const Array<float>& mult,
                int32_t zx, int32_t zy, int32_t qmin, int32_t qmax, const Pair& stride,
                const Pads& pads, const Pair& dilation, ptrdiff_t groups) {
  const int8_t* weights = elements(w, 4, "w[O][KH][KW][C/groups]");
  const ConvSpec spec = conv_spec(w, stride, pads, dilation, groups);
  const int32_t* b = per_channel(bias, spec.out_channels);
  const float* m = per_channel(mult, spec.out_channels);
  const int32_t z = input_zero_point(zx);
  const OutputCodes out = output_codes(zy, qmin, qmax);
  const py::gil_scoped_release unlocked;
  return PackedConv(spec, weights, b, m, z, out);
}

Array<uint8_t> run(const PackedConv& conv, const Array<uint8_t>& x) {
  const uint8_t* codes = elements(x, 4, "x[B][H][W][C]");
  const Images images{codes, x.shape(0), x.shape(1), x.shape(2), x.shape(3)};
  const ConvSpec& spec = conv.spec();
  require(images.channels == spec.in_channels, "w[O][KH][KW][C/groups] for the C of x");
  require(within(images.h, 0) && within(images.w, 0) && spec.fits(images.h, images.w),
          "an input at least as large as the kernel");
  const ptrdiff_t out_h = spec.out_h(images.h), out_w = spec.out_w(images.w);
  Array<uint8_t> result = new_array<uint8_t>({images.batch, out_h, out_w, spec.out_channels});
  uint8_t* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  AlignedVector<uint8_t> scratch(conv.scratch_bytes());
  conv.run(images, y, 0, images.batch * out_h * out_w, scratch.data());
  return result;
}

Array<uint8_t> conv2d_s8(const Array<uint8_t>& x, const Array<int8_t>& w,
                         const Array<int32_t>& bias, const Array<float>& mult, int32_t zx,
                         int32_t zy, int32_t qmin, int32_t qmax, const Pair& stride,
                         const Pads& pads, const Pair& dilation, ptrdiff_t groups) {
  return run(pack(w, bias, mult, zx, zy, qmin, qmax, stride, pads, dilation, groups), x);
}

}  // namespace

void bind_conv2d_s8(py::module_& m) {
  m.def("conv2d_s8", &conv2d_s8, py::arg("x").noconvert(), py::arg("w").noconvert(),
        py::arg("bias").noconvert(), py::arg("mult").noconvert(), py::arg("zx"), py::arg("zy"),
        py::arg("qmin"), py::arg("qmax"), py::arg("stride"), py::arg("pads"), py::arg("dilation"),
        py::arg("groups"));
  py::class_<PackedConv>(m, "PackedConv")
      .def(py::init(&pack), py::arg("w").noconvert(), py::arg("bias").noconvert(),
           py::arg("mult").noconvert(), py::arg("zx"), py::arg("zy"), py::arg("qmin"),
           py::arg("qmax"), py::arg("stride"), py::arg("pads"), py::arg("dilation"),
           py::arg("groups"))
      .def("run", &run, py::arg("x").noconvert());
}

}  // namespace qg
