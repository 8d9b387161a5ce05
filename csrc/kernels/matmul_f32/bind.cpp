#include <algorithm>
#include <optional>

#include <pybind11/stl.h>

#include "bind.h"
#include "float_env.h"
#include "kernels/matmul_f32/matmul_f32.h"
#include "parallel.h"

namespace qg {
namespace {

using Strided = py::array_t<float, 0>;

ptrdiff_t step(const Strided& array, ptrdiff_t axis) {
  require(array.strides(axis) % static_cast<ptrdiff_t>(sizeof(float)) == 0,
          "strides of whole elements");
  return array.strides(axis) / static_cast<ptrdiff_t>(sizeof(float));
}

// The last two axes of an array with at least two.
MatrixF32 matrix(const Strided& array, const char* rule) {
  require(array.ndim() >= 2, rule);
  require(reinterpret_cast<uintptr_t>(array.data()) % alignof(float) == 0, "aligned arrays");
  const ptrdiff_t last = array.ndim() - 1;
  return {array.data(), array.shape(last - 1), array.shape(last), step(array, last - 1),
          step(array, last)};
}

// One batch dimension, as long as the result's or broadcast: how far one step of it moves in each
// operand.
struct BatchAxis {
  ptrdiff_t size, a_step, b_step;
};

std::vector<BatchAxis> batch_axes(const Strided& a, const Strided& b) {
  const ptrdiff_t count = std::max(a.ndim(), b.ndim()) - 2;
  std::vector<BatchAxis> axes;
  for (ptrdiff_t i = 0; i < count; ++i) {
    const ptrdiff_t ia = i - (count - (a.ndim() - 2)), ib = i - (count - (b.ndim() - 2));
    const ptrdiff_t na = ia < 0 ? 1 : a.shape(ia), nb = ib < 0 ? 1 : b.shape(ib);
    require(na == nb || na == 1 || nb == 1, "batch dimensions that broadcast");
    axes.push_back({na == 1 ? nb : na, na == 1 ? 0 : step(a, ia), nb == 1 ? 0 : step(b, ib)});
  }
  return axes;
}

// The products of batch indices [begin, end), counted with the last axis fastest.
void multiply_batch(const MatrixF32& a, const MatrixF32& b, const std::vector<BatchAxis>& axes,
                    ptrdiff_t begin, ptrdiff_t end, float* y) {
  for (ptrdiff_t i = begin; i < end; ++i) {
    MatrixF32 left = a, right = b;
    ptrdiff_t index = i;
    for (size_t axis = axes.size(); axis-- > 0; index /= axes[axis].size) {
      left.data += index % axes[axis].size * axes[axis].a_step;
      right.data += index % axes[axis].size * axes[axis].b_step;
    }
    matmul_f32(left, right, nullptr, y + i * a.rows * b.columns, b.columns);
  }
}

Array<float> matmul(const Strided& a, const Strided& b) {
  MatrixF32 left = matrix(a, "a[..., M, K]");
  const MatrixF32 right = matrix(b, "b[..., K, N]");
  require(left.columns == right.rows, "a[..., M, K] and b[..., K, N] with one K");
  std::vector<BatchAxis> axes = batch_axes(a, b);
  std::vector<ptrdiff_t> shape;
  ptrdiff_t count = 1;
  for (const BatchAxis& axis : axes) shape.push_back(axis.size), count *= axis.size;
  shape.push_back(left.rows);
  shape.push_back(right.columns);
  // A batch of rows that all meet the same right operand is one matrix, which packs it once.
  while (!axes.empty() && axes.back().b_step == 0 &&
         axes.back().a_step == left.rows * left.row_stride) {
    left.rows *= axes.back().size;
    count /= std::max<ptrdiff_t>(1, axes.back().size);
    axes.pop_back();
  }
  Array<float> result = new_array<float>(shape);
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  // Large products share their own work among threads, small ones share the batch.
  const ptrdiff_t products = std::max<ptrdiff_t>(1, left.rows * left.columns * right.columns);
  const auto multiply = [&](ptrdiff_t begin, ptrdiff_t end) {
    multiply_batch(left, right, axes, begin, end, y);
  };
  if (products > kProductsPerThread) {
    multiply(0, count);
  } else {
    parallel_for(count, std::max<ptrdiff_t>(1, kProductsPerThread / products), multiply);
  }
  return result;
}

// x[M][K] times w[N][K] transposed, plus bias[N].
Array<float> linear(const Strided& x, const Strided& w, const std::optional<Array<float>>& bias) {
  const MatrixF32 rows = matrix(x, "x[M][K]"), weights = matrix(w, "w[N][K]");
  require(x.ndim() == 2 && w.ndim() == 2 && rows.columns == weights.columns, "x[M][K] and w[N][K]");
  const float* b = bias ? per_channel(*bias, weights.rows) : nullptr;
  Array<float> result = new_array<float>({rows.rows, weights.rows});
  float* y = result.mutable_data();
  const py::gil_scoped_release unlocked;
  const FloatEnvironment defaults;
  matmul_f32(rows, weights.transposed(), b, y, weights.rows);
  return result;
}

// Gradients of `linear` for w[N][K] and bias[N], from that of its result, g[M][N], and x[M][K].
py::tuple linear_grads(const Strided& g, const Strided& x) {
  const MatrixF32 gradient = matrix(g, "g[M][N]"), rows = matrix(x, "x[M][K]");
  require(g.ndim() == 2 && x.ndim() == 2 && gradient.rows == rows.rows, "g[M][N] and x[M][K]");
  Array<float> dw = new_array<float>({gradient.columns, rows.columns});
  Array<float> db = new_array<float>({gradient.columns});
  float *weights = dw.mutable_data(), *bias = db.mutable_data();
  {
    const py::gil_scoped_release unlocked;
    const FloatEnvironment defaults;
    linear_grads_f32(gradient, rows, weights, bias);
  }
  return py::make_tuple(dw, db);
}

}  // namespace

void bind_matmul_f32(py::module_& m) {
  m.def("matmul_f32", &matmul, py::arg("a").noconvert(), py::arg("b").noconvert());
  m.def("linear_f32", &linear, py::arg("x").noconvert(), py::arg("w").noconvert(),
        py::arg("bias").noconvert().none(true));
  m.def("linear_grads_f32", &linear_grads, py::arg("g").noconvert(), py::arg("x").noconvert());
}

}  // namespace qg
