#include <optional>

#include "bind.h"
#include "float_env.h"
#include "kernels/batch_norm_f32/batch_norm_f32.h"

namespace qg {
namespace {

ChannelShape channel_shape(const Array<float>& x) {
  require(x.ndim() >= 2, "x[B][C]...");
  ChannelShape shape{x.shape(0), x.shape(1), 1};
  for (ptrdiff_t i = 2; i < x.ndim(); ++i) shape.inner *= x.shape(i);
  return shape;
}

py::tuple stats(const Array<float>& x) {
  const ChannelShape shape = channel_shape(x);
  Array<float> mean = new_array<float>({shape.channels}), var = new_array<float>({shape.channels});
  const float* from = x.data();
  float *m = mean.mutable_data(), *v = var.mutable_data();
  {
    const py::gil_scoped_release unlocked;
    const FloatEnvironment defaults;
    batch_norm_stats_f32(from, shape, m, v);
  }
  return py::make_tuple(mean, var);
}

py::tuple grads(const Array<float>& g, const Array<float>& x, const Array<float>& mean,
                const Array<float>& inverse, const std::optional<Array<float>>& weight) {
  const ChannelShape shape = channel_shape(x);
  require(g.size() == x.size(), "g and x of one shape");
  const float *m = per_channel(mean, shape.channels), *s = per_channel(inverse, shape.channels);
  const float* w = weight ? per_channel(*weight, shape.channels) : nullptr;
  Array<float> dx = new_array<float>({x.shape(), x.shape() + x.ndim()});
  Array<float> dw = new_array<float>({shape.channels}), db = new_array<float>({shape.channels});
  const BatchNormGrads out{dx.mutable_data(), dw.mutable_data(), db.mutable_data()};
  const float *gradient = g.data(), *from = x.data();
  {
    const py::gil_scoped_release unlocked;
    const FloatEnvironment defaults;
    batch_norm_grads_f32(gradient, from, shape, m, s, w, out);
  }
  return py::make_tuple(dx, dw, db);
}

}  // namespace

void bind_batch_norm_f32(py::module_& m) {
  m.def("batch_norm_stats_f32", &stats, py::arg("x").noconvert());
  m.def("batch_norm_grads_f32", &grads, py::arg("g").noconvert(), py::arg("x").noconvert(),
        py::arg("mean").noconvert(), py::arg("inverse").noconvert(),
        py::arg("weight").noconvert().none(true));
}

}  // namespace qg
