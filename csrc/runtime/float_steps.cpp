// Steps on float32 rows: the same kernels that training calls.

#include <array>
#include <optional>

#include <pybind11/stl.h>

#include "kernels/affine_f32/affine_f32.h"
#include "kernels/avg_pool_f32/avg_pool_f32.h"
#include "kernels/binary_f32/binary_f32.h"
#include "kernels/conv2d_f32/conv2d_f32.h"
#include "kernels/layer_norm_f32/layer_norm_f32.h"
#include "kernels/matmul_f32/matmul_f32.h"
#include "kernels/pool_arrays.h"
#include "kernels/reduce_f32/reduce_f32.h"
#include "kernels/softmax_f32/softmax_f32.h"
#include "kernels/unary_f32/unary_f32.h"
#include "runtime/steps.h"

namespace qg {
namespace {

using Sizes = std::vector<ptrdiff_t>;
using Pair = std::array<ptrdiff_t, 2>;
using Sizes3 = std::array<ptrdiff_t, 3>;
using Sizes4 = std::array<ptrdiff_t, 4>;
using MaybeArray = std::optional<Array<float>>;

std::vector<float> copied(const MaybeArray& array, ptrdiff_t n) {
  if (!array) return {};
  require(array->size() == n, "one value for each channel");
  return std::vector<float>(array->data(), array->data() + n);
}

const float* or_null(const std::vector<float>& values) {
  return values.empty() ? nullptr : values.data();
}

size_t bytes_of(const Sizes& shape) {
  size_t bytes = 4;
  for (const ptrdiff_t size : shape) bytes = checked_bytes({static_cast<ptrdiff_t>(bytes), size});
  return bytes;
}

// Products
// --------------------------------------------------------------------------------------------

struct FloatWeights {
  PackedMatrixF32 matrix;
  ptrdiff_t n, k;
  std::vector<float> bias;
};

std::shared_ptr<FloatWeights> pack_linear(const Array<float>& w, const MaybeArray& bias) {
  const float* data = elements(w, 2, "w[N][K]");
  const ptrdiff_t n = w.shape(0), k = w.shape(1);
  return std::make_shared<FloatWeights>(
      FloatWeights{PackedMatrixF32(MatrixF32{data, k, n, 1, k}), n, k, copied(bias, n)});
}

void linear(Executor& executor, const std::shared_ptr<const FloatWeights>& w, ptrdiff_t x,
            ptrdiff_t y, ptrdiff_t rows) {
  executor.reading(x, checked_bytes({rows, w->k, 4}));
  executor.writing(y, checked_bytes({rows, w->n, 4}));
  executor.add_step([=](Addresses at, uint8_t*) {
    w->matrix.run({floats(at[x]), rows, w->k, w->k, 1}, or_null(w->bias), floats(at[y]), w->n, 0,
                  rows);
    return true;
  });
}

// a [batch][m][k] times b [batch][k][n]; `a_batch` and `b_batch` say which matrix each product
// takes.
void matmul(Executor& executor, ptrdiff_t a, ptrdiff_t b, ptrdiff_t y, const Sizes3& mkn,
            const Sizes& a_batch, const Sizes& b_batch) {
  const auto [m, k, n] = mkn;
  require(a_batch.size() == b_batch.size(), "one matrix of each operand for each product");
  for (const ptrdiff_t i : a_batch) executor.reading(a, checked_bytes({i + 1, m, k, 4}));
  for (const ptrdiff_t i : b_batch) executor.reading(b, checked_bytes({i + 1, k, n, 4}));
  executor.writing(y, checked_bytes({static_cast<ptrdiff_t>(a_batch.size()), m, n, 4}));
  executor.add_step([=, m = m, k = k, n = n](Addresses at, uint8_t*) {
    for (size_t i = 0; i < a_batch.size(); ++i) {
      const MatrixF32 left{floats(at[a]) + a_batch[i] * m * k, m, k, k, 1};
      const MatrixF32 right{floats(at[b]) + b_batch[i] * k * n, k, n, n, 1};
      matmul_f32(left, right, nullptr, floats(at[y]) + static_cast<ptrdiff_t>(i) * m * n, n);
    }
    return true;
  });
}

// x is [batch][channels][h][w], weights [O][C/groups][KH][KW].
void conv(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes4& shape, const Array<float>& w,
          const MaybeArray& bias, const Pair& stride, const Sizes4& pads, const Pair& dilation,
          ptrdiff_t groups) {
  elements(w, 4, "w[O][C/groups][KH][KW]");
  const ptrdiff_t outputs = w.shape(0);
  for (const ptrdiff_t size : {stride[0], stride[1], dilation[0], dilation[1], groups, outputs,
                               w.shape(1), w.shape(2), w.shape(3)}) {
    require(1 <= size && size <= INT32_MAX, "sizes of at least 1 that fit int32");
  }
  for (const ptrdiff_t pad : pads) require(0 <= pad && pad <= INT32_MAX, "pads that fit int32");
  require(w.shape(1) * groups == shape[1] && outputs % groups == 0,
          "groups that divide the channels");
  const ConvSpec spec{shape[1], outputs, groups,  w.shape(2), w.shape(3),  stride[0],  stride[1],
                      pads[0],  pads[1], pads[2], pads[3],    dilation[0], dilation[1]};
  require(shape[2] >= 0 && shape[3] >= 0 && spec.fits(shape[2], shape[3]),
          "a kernel in the padded image");
  executor.reading(x, bytes_of({shape[0], shape[1], shape[2], shape[3]}));
  executor.writing(y, bytes_of({shape[0], outputs, spec.out_h(shape[2]), spec.out_w(shape[3])}));
  const float* weights = w.data();
  executor.add_step([=, b = copied(bias, outputs)](Addresses at, uint8_t*) {
    conv2d_f32(spec, {floats(at[x]), shape[0], shape[2], shape[3]}, weights, or_null(b),
               contiguous(spec, floats(at[y]), shape[2], shape[3]));
    return true;
  });
}

// Elements
// --------------------------------------------------------------------------------------------

void unary(Executor& executor, ptrdiff_t x, ptrdiff_t y, ptrdiff_t n, int32_t function,
           const std::vector<double>& parameters) {
  require(0 <= function && function < kUnaryF32Count && parameters.size() <= kUnaryF32Parameters,
          "a function of unary_f32_names() and its parameters");
  executor.reading(x, checked_bytes({n, 4}));
  executor.writing(y, checked_bytes({n, 4}));
  std::array<double, kUnaryF32Parameters> p{};
  std::copy(parameters.begin(), parameters.end(), p.begin());
  executor.add_step([=](Addresses at, uint8_t*) {
    unary_f32(static_cast<UnaryF32>(function), floats(at[x]), n, p.data(), floats(at[y]));
    return true;
  });
}

void binary(Executor& executor, ptrdiff_t a, ptrdiff_t b, ptrdiff_t y, const Sizes& a_shape,
            const Sizes& b_shape, int32_t function) {
  require(0 <= function && function < kBinaryF32Count, "a function of binary_f32_names()");
  executor.reading(a, bytes_of(a_shape));
  executor.reading(b, bytes_of(b_shape));
  const size_t rank = std::max(a_shape.size(), b_shape.size());
  Sizes shape;
  for (size_t i = 0; i < rank; ++i) {
    const ptrdiff_t na = i + a_shape.size() < rank ? 1 : a_shape[i + a_shape.size() - rank];
    const ptrdiff_t nb = i + b_shape.size() < rank ? 1 : b_shape[i + b_shape.size() - rank];
    require(na == nb || na == 1 || nb == 1, "shapes that broadcast");
    shape.push_back(na == 1 ? nb : na);
  }
  executor.writing(y, bytes_of(shape));
  executor.add_step([=, axes = broadcast_axes(a_shape, b_shape)](Addresses at, uint8_t*) {
    binary_f32(static_cast<BinaryF32>(function), floats(at[a]), floats(at[b]), axes, floats(at[y]));
    return true;
  });
}

// x is [outer][channels][inner].
void affine(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes3& shape,
            const Array<float>& scale, const Array<float>& shift) {
  const size_t bytes = checked_bytes({shape[0], shape[1], shape[2], 4});
  executor.reading(x, bytes);
  executor.writing(y, bytes);
  executor.add_step([=, s = copied(scale, shape[1]), t = copied(shift, shape[1])](Addresses at,
                                                                                  uint8_t*) {
    affine_f32(floats(at[x]), {shape[0], shape[1], shape[2]}, s.data(), t.data(), floats(at[y]));
    return true;
  });
}

// Rows
// ------------------------------------------------------------------------------------------------

// x is [outer][n][inner].
void softmax(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes3& shape, bool log) {
  const size_t bytes = checked_bytes({shape[0], shape[1], shape[2], 4});
  executor.reading(x, bytes);
  executor.writing(y, bytes);
  executor.add_step([=](Addresses at, uint8_t*) {
    softmax_f32(floats(at[x]), {shape[0], shape[1], shape[2]}, log, floats(at[y]));
    return true;
  });
}

void layer_norm(Executor& executor, ptrdiff_t x, ptrdiff_t y, ptrdiff_t rows, ptrdiff_t size,
                const MaybeArray& weight, const MaybeArray& bias, double eps) {
  const size_t bytes = checked_bytes({rows, size, 4});
  executor.reading(x, bytes);
  executor.writing(y, bytes);
  executor.add_step([=, w = copied(weight, size), b = copied(bias, size)](Addresses at, uint8_t*) {
    layer_norm_f32(floats(at[x]), rows, size, {or_null(w), or_null(b), eps}, floats(at[y]));
    return true;
  });
}

void reduce(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes& shape,
            const std::vector<bool>& reduced, int32_t function) {
  require(shape.size() == reduced.size(), "one flag for each axis");
  require(0 <= function && function <= static_cast<int32_t>(ReduceF32::amax), "sum, mean or amax");
  std::vector<ReduceAxis> axes;
  Sizes kept;
  for (size_t i = 0; i < shape.size(); ++i) {
    axes.push_back({shape[i], reduced[i]});
    if (!reduced[i]) kept.push_back(shape[i]);
  }
  executor.reading(x, bytes_of(shape));
  executor.writing(y, bytes_of(kept));
  executor.add_step([=](Addresses at, uint8_t*) {
    reduce_f32(static_cast<ReduceF32>(function), floats(at[x]), axes, floats(at[y]));
    return true;
  });
}

// Pools
// -----------------------------------------------------------------------------------------------

using Windows = std::vector<PoolWindow>;

struct FloatPool {
  ptrdiff_t planes, h, w;
  Windows rows, cols;
  std::vector<int32_t> row_div, col_div;

  PoolGrid grid() const {
    return {rows.data(), cols.data(), static_cast<ptrdiff_t>(rows.size()),
            static_cast<ptrdiff_t>(cols.size())};
  }
};

FloatPool float_pool(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes3& shape,
                     const Array<int32_t>& rows, const Array<int32_t>& cols) {
  const PoolWindow* down = pool_windows(rows, shape[1]);
  const PoolWindow* across = pool_windows(cols, shape[2]);
  executor.reading(x, checked_bytes({shape[0], shape[1], shape[2], 4}));
  executor.writing(y, checked_bytes({shape[0], rows.shape(0), cols.shape(0), 4}));
  return {shape[0],
          shape[1],
          shape[2],
          Windows(down, down + rows.shape(0)),
          Windows(across, across + cols.shape(0)),
          {},
          {}};
}

// x is [planes][h][w].
void max_pool(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes3& shape,
              const Array<int32_t>& rows, const Array<int32_t>& cols) {
  executor.add_step([=, p = float_pool(executor, x, y, shape, rows, cols)](Addresses at, uint8_t*) {
    max_pool_f32({floats(at[x]), p.planes, p.h, p.w}, p.grid(), floats(at[y]));
    return true;
  });
}

void avg_pool(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes3& shape,
              const Array<int32_t>& rows, const Array<int32_t>& cols, const Array<int32_t>& row_div,
              const Array<int32_t>& col_div) {
  FloatPool pool = float_pool(executor, x, y, shape, rows, cols);
  require(row_div.size() == rows.shape(0) && col_div.size() == cols.shape(0),
          "a divisor for each window");
  pool.row_div.assign(row_div.data(), row_div.data() + row_div.size());
  pool.col_div.assign(col_div.data(), col_div.data() + col_div.size());
  executor.add_step([=, p = std::move(pool)](Addresses at, uint8_t*) {
    avg_pool_f32({floats(at[x]), p.planes, p.h, p.w}, p.grid(), p.row_div.data(), p.col_div.data(),
                 floats(at[y]));
    return true;
  });
}

}  // namespace

void bind_float_steps(py::module_& m, ExecutorClass& executor) {
  py::class_<FloatWeights, std::shared_ptr<FloatWeights>>(m, "FloatWeights");
  m.def("pack_linear_f32", &pack_linear, py::arg("w").noconvert(),
        py::arg("bias").noconvert().none(true));
  executor.def("linear", &linear, py::arg("weights"), py::arg("x"), py::arg("y"), py::arg("rows"))
      .def("matmul", &matmul, py::arg("a"), py::arg("b"), py::arg("y"), py::arg("mkn"),
           py::arg("a_batch"), py::arg("b_batch"))
      .def("conv", &conv, py::arg("x"), py::arg("y"), py::arg("shape"), py::arg("w").noconvert(),
           py::arg("bias").noconvert().none(true), py::arg("stride"), py::arg("pads"),
           py::arg("dilation"), py::arg("groups"), py::keep_alive<1, 5>())
      .def("unary", &unary, py::arg("x"), py::arg("y"), py::arg("n"), py::arg("function"),
           py::arg("parameters"))
      .def("binary", &binary, py::arg("a"), py::arg("b"), py::arg("y"), py::arg("a_shape"),
           py::arg("b_shape"), py::arg("function"))
      .def("affine", &affine, py::arg("x"), py::arg("y"), py::arg("shape"),
           py::arg("scale").noconvert(), py::arg("shift").noconvert())
      .def("softmax", &softmax, py::arg("x"), py::arg("y"), py::arg("shape"), py::arg("log"))
      .def("layer_norm", &layer_norm, py::arg("x"), py::arg("y"), py::arg("rows"), py::arg("size"),
           py::arg("weight").noconvert().none(true), py::arg("bias").noconvert().none(true),
           py::arg("eps"))
      .def("reduce", &reduce, py::arg("x"), py::arg("y"), py::arg("shape"), py::arg("reduced"),
           py::arg("function"))
      .def("max_pool", &max_pool, py::arg("x"), py::arg("y"), py::arg("shape"),
           py::arg("rows").noconvert(), py::arg("cols").noconvert())
      .def("avg_pool", &avg_pool, py::arg("x"), py::arg("y"), py::arg("shape"),
           py::arg("rows").noconvert(), py::arg("cols").noconvert(), py::arg("row_div").noconvert(),
           py::arg("col_div").noconvert());
}

}  // namespace qg
