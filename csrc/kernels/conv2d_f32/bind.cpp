#include <array>
#include <optional>

#include <pybind11/stl.h>

#include "bind.h"
#include "float_env.h"
#include "kernels/conv2d_f32/conv2d_f32.h"

namespace qg {
namespace {

using Pair = std::array<ptrdiff_t, 2>;
using Four = std::array<ptrdiff_t, 4>;
constexpr ptrdiff_t kLargest = INT32_MAX;

struct Settings {
  Pair stride;
  Four pads;
  Pair dilation;
  ptrdiff_t groups;
};

ptrdiff_t at_most(ptrdiff_t value, ptrdiff_t low) {
  require(low <= value && value <= kLargest, "settings that fit int32");
  return value;
}

// Weights are [outputs][in_channels / groups][kernel_h][kernel_w].
ConvSpec conv_spec(ptrdiff_t in_channels, const Four& w, const Settings& s) {
  const ConvSpec spec{in_channels,
                      w[0],
                      at_most(s.groups, 1),
                      at_most(w[2], 1),
                      at_most(w[3], 1),
                      at_most(s.stride[0], 1),
                      at_most(s.stride[1], 1),
                      at_most(s.pads[0], 0),
                      at_most(s.pads[1], 0),
                      at_most(s.pads[2], 0),
                      at_most(s.pads[3], 0),
                      at_most(s.dilation[0], 1),
                      at_most(s.dilation[1], 1)};
  require(w[1] * spec.groups == in_channels && w[0] % spec.groups == 0,
          "groups that divide the channels");
  return spec;
}

Four shape4(const Array<float>& x, const char* rule) {
  elements(x, 4, rule);
  return {x.shape(0), x.shape(1), x.shape(2), x.shape(3)};
}

using Strided = py::array_t<float, 0>;

// `out`, or a new array; its shape is checked.
OutputF32 output(Strided& out, const Four& shape) {
  require(out.ndim() == 4, "out[B][O][OH][OW]");
  ptrdiff_t steps[4];
  for (ptrdiff_t i = 0; i < 4; ++i) {
    const auto bytes = static_cast<ptrdiff_t>(sizeof(float));
    require(out.shape(i) == shape[static_cast<size_t>(i)] && out.strides(i) % bytes == 0,
            "out of the result's shape, strides of whole elements");
    steps[i] = out.strides(i) / bytes;
  }
  require(reinterpret_cast<uintptr_t>(out.data()) % alignof(float) == 0, "aligned arrays");
  return {out.mutable_data(), shape[2], shape[3], steps[0], steps[1], steps[2], steps[3]};
}

Strided conv2d(const Array<float>& x, const Array<float>& w,
               const std::optional<Array<float>>& bias, const Pair& stride, const Four& pads,
               const Pair& dilation, ptrdiff_t groups, const std::optional<Strided>& out) {
  const Four from = shape4(x, "x[B][C][H][W]");
  const ConvSpec spec =
      conv_spec(from[1], shape4(w, "w[O][C/groups][KH][KW]"), {stride, pads, dilation, groups});
  require(spec.fits(from[2], from[3]), "a kernel inside the padded image");
  const float* b = bias ? per_channel(*bias, spec.out_channels) : nullptr;
  const Four shape{from[0], spec.out_channels, spec.out_h(from[2]), spec.out_w(from[3])};
  Strided result = out ? *out : Strided(new_array<float>({shape.begin(), shape.end()}));
  const ImagesF32 images{x.data(), from[0], from[2], from[3]};
  const float* weights = w.data();
  const OutputF32 y = output(result, shape);
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  conv2d_f32(spec, images, weights, b, y);
  return result;
}

using Gradient = void (*)(const ConvSpec&, const ImagesF32&, const float*, ptrdiff_t, ptrdiff_t,
                          float*);

Array<float> input_gradient(Gradient compute, const Array<float>& g, const Array<float>& w,
                            const Pair& size, const Pair& stride, const Four& pads,
                            const Pair& dilation, ptrdiff_t groups) {
  const Four from = shape4(g, "g[B][O][OH][OW]"), kernel = shape4(w, "w[O][C/groups][KH][KW]");
  const ConvSpec spec =
      conv_spec(kernel[1] * at_most(groups, 1), kernel, {stride, pads, dilation, groups});
  require(spec.fits(at_most(size[0], 0), at_most(size[1], 0)), "a kernel inside the padded image");
  require(from[1] == spec.out_channels && from[2] == spec.out_h(size[0]) &&
              from[3] == spec.out_w(size[1]),
          "g of the output's shape");
  Array<float> result = new_array<float>({from[0], spec.in_channels, size[0], size[1]});
  const ImagesF32 images{g.data(), from[0], from[2], from[3]};
  const float* weights = w.data();
  float* dx = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  compute(spec, images, weights, size[0], size[1], dx);
  return result;
}

Array<float> conv2d_dinput(const Array<float>& g, const Array<float>& w, const Pair& size,
                           const Pair& stride, const Four& pads, const Pair& dilation,
                           ptrdiff_t groups) {
  return input_gradient(&conv2d_dinput_f32, g, w, size, stride, pads, dilation, groups);
}

Array<float> conv2d_dinput_by_phase(const Array<float>& g, const Array<float>& w, const Pair& size,
                                    const Pair& stride, const Four& pads, ptrdiff_t groups) {
  return input_gradient(&conv2d_dinput_by_phase_f32, g, w, size, stride, pads, {1, 1}, groups);
}

Array<float> conv2d_dweight(const Array<float>& g, const Array<float>& x, const Pair& kernel,
                            const Pair& stride, const Four& pads, const Pair& dilation,
                            ptrdiff_t groups) {
  const Four from = shape4(x, "x[B][C][H][W]"), grads = shape4(g, "g[B][O][OH][OW]");
  require(from[1] % at_most(groups, 1) == 0, "groups that divide the channels");
  const Four weights{grads[1], from[1] / groups, kernel[0], kernel[1]};
  const ConvSpec spec = conv_spec(from[1], weights, {stride, pads, dilation, groups});
  require(spec.fits(from[2], from[3]), "a kernel inside the padded image");
  require(grads[0] == from[0] && grads[2] == spec.out_h(from[2]) && grads[3] == spec.out_w(from[3]),
          "g of the output's shape");
  Array<float> result = new_array<float>({weights.begin(), weights.end()});
  const ImagesF32 images{x.data(), from[0], from[2], from[3]};
  const float* gradient = g.data();
  float* dw = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  conv2d_dweight_f32(spec, images, gradient, dw);
  return result;
}

}  // namespace

void bind_conv2d_f32(py::module_& m) {
  m.def("conv2d_f32", &conv2d, py::arg("x").noconvert(), py::arg("w").noconvert(),
        py::arg("bias").noconvert().none(true), py::arg("stride"), py::arg("pads"),
        py::arg("dilation"), py::arg("groups"), py::arg("out").noconvert().none(true) = py::none());
  m.def("conv2d_dinput_f32", &conv2d_dinput, py::arg("g").noconvert(), py::arg("w").noconvert(),
        py::arg("size"), py::arg("stride"), py::arg("pads"), py::arg("dilation"),
        py::arg("groups"));
  m.def("conv2d_dinput_by_phase_f32", &conv2d_dinput_by_phase, py::arg("g").noconvert(),
        py::arg("w").noconvert(), py::arg("size"), py::arg("stride"), py::arg("pads"),
        py::arg("groups"));
  m.def("conv2d_dweight_f32", &conv2d_dweight, py::arg("g").noconvert(), py::arg("x").noconvert(),
        py::arg("kernel"), py::arg("stride"), py::arg("pads"), py::arg("dilation"),
        py::arg("groups"));
}

}  // namespace qg
