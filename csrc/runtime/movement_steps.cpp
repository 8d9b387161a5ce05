// Steps that move bytes.

#include <cstring>

#include <pybind11/stl.h>

#include "runtime/steps.h"
#include "runtime/strided_copy.h"

namespace qg {
namespace {

// The bytes from the first element to the end of the last one.
size_t extent(const std::vector<ptrdiff_t>& sizes, const std::vector<ptrdiff_t>& steps,
              ptrdiff_t itemsize) {
  size_t last = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) return 0;
    require(steps[i] >= 0, "steps that are not negative");
    last += checked_bytes({sizes[i] - 1, steps[i]});
    require(last <= SIZE_MAX / 16, "sizes that fit in memory");
  }
  return (last + 1) * static_cast<size_t>(itemsize);
}

// Elements of x from x_begin on to those of y from y_begin on; steps count elements.
void copy(Executor& executor, ptrdiff_t x, ptrdiff_t y, const std::vector<ptrdiff_t>& sizes,
          ptrdiff_t x_begin, const std::vector<ptrdiff_t>& x_steps, ptrdiff_t y_begin,
          const std::vector<ptrdiff_t>& y_steps, ptrdiff_t itemsize) {
  require(itemsize == 1 || itemsize == 4 || itemsize == 8, "elements of 1, 4 or 8 bytes");
  require(sizes.size() == x_steps.size() && sizes.size() == y_steps.size(),
          "two steps for each size");
  const size_t x_offset = checked_bytes({x_begin, itemsize}),
               y_offset = checked_bytes({y_begin, itemsize});
  const size_t x_extent = extent(sizes, x_steps, itemsize),
               y_extent = extent(sizes, y_steps, itemsize);
  if (x_extent == 0) return executor.add_step([](Addresses, uint8_t*) { return true; });
  executor.reading(x, x_offset + x_extent);
  executor.writing(y, y_offset + y_extent);
  std::vector<CopyAxis> axes;
  for (size_t i = 0; i < sizes.size(); ++i) axes.push_back({sizes[i], x_steps[i], y_steps[i]});
  executor.add_step([=, axes = joined_axes(axes)](Addresses at, uint8_t*) {
    strided_copy(at[x] + x_offset, at[y] + y_offset, axes, itemsize);
    return true;
  });
}

// y[i] = table[index[i]], rows of `columns` floats; fails for an index outside [0, rows).
template <class Index>
void embedding(Executor& executor, ptrdiff_t index, ptrdiff_t y, const Array<float>& table,
               ptrdiff_t n) {
  elements(table, 2, "table[rows][columns]");
  const ptrdiff_t rows = table.shape(0), columns = table.shape(1);
  executor.reading(index, checked_bytes({n, static_cast<ptrdiff_t>(sizeof(Index))}));
  executor.writing(y, checked_bytes({n, columns, 4}));
  const float* data = table.data();
  const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
  executor.add_step([=](Addresses at, uint8_t*) {
    const Index* indices = reinterpret_cast<const Index*>(at[index]);
    for (ptrdiff_t i = 0; i < n; ++i) {
      if (indices[i] < 0 || indices[i] >= rows) return false;
      std::memcpy(at[y] + static_cast<size_t>(i) * bytes, data + indices[i] * columns, bytes);
    }
    return true;
  });
}

}  // namespace

void bind_movement_steps(ExecutorClass& executor) {
  executor
      .def("copy", &copy, py::arg("x"), py::arg("y"), py::arg("sizes"), py::arg("x_begin"),
           py::arg("x_steps"), py::arg("y_begin"), py::arg("y_steps"), py::arg("itemsize"))
      .def("embedding_int32", &embedding<int32_t>, py::arg("index"), py::arg("y"),
           py::arg("table").noconvert(), py::arg("n"), py::keep_alive<1, 4>())
      .def("embedding_int64", &embedding<int64_t>, py::arg("index"), py::arg("y"),
           py::arg("table").noconvert(), py::arg("n"), py::keep_alive<1, 4>());
}

}  // namespace qg
