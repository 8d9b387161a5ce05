#include "kernels/gather_f32/gather_f32.h"

#include <algorithm>

#include "bind.h"
#include "float_env.h"

namespace qg {
namespace {

// The places along `axis` of arrays whose other dims are those of `places`.
GatherShape shape_along(const Array<int64_t>& places, ptrdiff_t axis, ptrdiff_t size) {
  require(0 <= axis && axis < places.ndim() && size >= 0, "an axis of places");
  GatherShape shape{1, size, places.shape(axis), 1};
  for (ptrdiff_t i = 0; i < axis; ++i) shape.outer *= places.shape(i);
  for (ptrdiff_t i = axis + 1; i < places.ndim(); ++i) shape.inner *= places.shape(i);
  const int64_t* place = places.data();
  require(reinterpret_cast<uintptr_t>(place) % alignof(int64_t) == 0, "aligned arrays");
  const bool inside =
      std::all_of(place, place + places.size(), [&](int64_t p) { return 0 <= p && p < size; });
  require(inside, "places in [0, size)");
  return shape;
}

std::vector<ptrdiff_t> with_size(const Array<int64_t>& places, ptrdiff_t axis, ptrdiff_t size) {
  std::vector<ptrdiff_t> shape(places.shape(), places.shape() + places.ndim());
  shape[static_cast<size_t>(axis)] = size;
  return shape;
}

Array<float> gather(const Array<float>& x, const Array<int64_t>& places, ptrdiff_t axis) {
  require(x.ndim() == places.ndim() && 0 <= axis && axis < x.ndim(), "x and places of one rank");
  const GatherShape shape = shape_along(places, axis, x.shape(axis));
  const std::vector<ptrdiff_t> expected = with_size(places, axis, x.shape(axis));
  require(std::equal(expected.begin(), expected.end(), x.shape()), "x of the shape of places");
  Array<float> result = new_array<float>({places.shape(), places.shape() + places.ndim()});
  const float* from = x.data();
  const int64_t* place = places.data();
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  gather_f32(from, place, shape, y);
  return result;
}

Array<float> scatter_add(const Array<float>& g, const Array<int64_t>& places, ptrdiff_t axis,
                         ptrdiff_t size) {
  const GatherShape shape = shape_along(places, axis, size);
  require(g.ndim() == places.ndim() && std::equal(g.shape(), g.shape() + g.ndim(), places.shape()),
          "g of the shape of places");
  Array<float> result = new_array<float>(with_size(places, axis, size));
  const float* from = g.data();
  const int64_t* place = places.data();
  float* y = result.mutable_data();
  const ptrdiff_t all = result.size();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  std::fill(y, y + all, 0.0f);
  scatter_add_f32(from, place, shape, y);
  return result;
}

}  // namespace

void bind_gather_f32(py::module_& m) {
  m.def("gather_f32", &gather, py::arg("x").noconvert(), py::arg("places").noconvert(),
        py::arg("axis"));
  m.def("scatter_add_f32", &scatter_add, py::arg("g").noconvert(), py::arg("places").noconvert(),
        py::arg("axis"), py::arg("size"));
}

}  // namespace qg
