// Steps on uint8 codes, and the packed weights that they share between plans.

#include <algorithm>
#include <array>
#include <optional>

#include <pybind11/stl.h>

#include "kernels/add_s8/add_s8.h"
#include "kernels/avg_pool_s8/avg_pool_s8.h"
#include "kernels/conv2d_s8/conv2d_s8.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/lut_u8/lut_u8.h"
#include "kernels/max_pool_s8/max_pool_s8.h"
#include "kernels/pool_arrays.h"
#include "kernels/quantize/quantize.h"
#include "runtime/steps.h"
#include "runtime/strided_copy.h"

namespace qg {
namespace {

using Codes = std::array<int32_t, 3>;  // zero point, qmin, qmax
using Sizes4 = std::array<ptrdiff_t, 4>;

OutputCodes codes_of(const Codes& c) { return output_codes(c[0], c[1], c[2]); }

// Linear
// ----------------------------------------------------------------------------------------------

struct LinearWeights {
  PackedGemm gemm;
  ptrdiff_t n, k;
};

std::shared_ptr<LinearWeights> pack_linear(const Array<int8_t>& w, const Array<int32_t>& bias,
                                           const Array<float>& mult, int32_t zx,
                                           const Codes& codes) {
  const int8_t* weights = elements(w, 2, "w[N][K]");
  const ptrdiff_t n = w.shape(0), k = w.shape(1);
  const GemmWeights canonical{weights, per_channel(bias, n), per_channel(mult, n), n, 1,
                              k,       input_zero_point(zx)};
  return std::make_shared<LinearWeights>(
      LinearWeights{PackedGemm(canonical, codes_of(codes)), n, k});
}

void linear(Executor& executor, const std::shared_ptr<const LinearWeights>& w, ptrdiff_t x,
            ptrdiff_t y, ptrdiff_t rows) {
  executor.reading(x, checked_bytes({rows, w->k}));
  executor.writing(y, checked_bytes({rows, w->n}));
  executor.add_step([=](Addresses at, uint8_t*) {
    w->gemm.run(at[x], w->k, at[y], w->n, 0, rows);
    return true;
  });
}

// Convolution
// -----------------------------------------------------------------------------------------

struct ConvWeights {
  PackedConv conv;
};

std::shared_ptr<ConvWeights> pack_conv(const Array<int8_t>& w, const Array<int32_t>& bias,
                                       const Array<float>& mult, int32_t zx, const Codes& codes,
                                       const std::array<ptrdiff_t, 2>& stride, const Sizes4& pads,
                                       const std::array<ptrdiff_t, 2>& dilation, ptrdiff_t groups) {
  const int8_t* weights = elements(w, 4, "w[O][KH][KW][C/groups]");
  const Sizes4 shape{w.shape(0), w.shape(1), w.shape(2), w.shape(3)};
  require(groups >= 1 && groups <= INT32_MAX && shape[0] % groups == 0,
          "groups that divide the outputs");
  for (const ptrdiff_t size :
       {stride[0], stride[1], dilation[0], dilation[1], shape[0], shape[1], shape[2], shape[3]}) {
    require(1 <= size && size <= INT32_MAX, "sizes of at least 1 that fit int32");
  }
  for (const ptrdiff_t pad : pads) require(0 <= pad && pad <= INT32_MAX, "pads that fit int32");
  const ConvSpec spec{shape[3] * groups, shape[0],    groups,     shape[1], shape[2],
                      stride[0],         stride[1],   pads[0],    pads[1],  pads[2],
                      pads[3],           dilation[0], dilation[1]};
  return std::make_shared<ConvWeights>(
      ConvWeights{PackedConv(spec, weights, per_channel(bias, shape[0]),
                             per_channel(mult, shape[0]), input_zero_point(zx), codes_of(codes))});
}

// x is [batch][h][w][channels].
void conv(Executor& executor, const std::shared_ptr<const ConvWeights>& w, ptrdiff_t x, ptrdiff_t y,
          ptrdiff_t batch, ptrdiff_t height, ptrdiff_t width) {
  const ConvSpec& spec = w->conv.spec();
  require(height >= 0 && width >= 0 && spec.fits(height, width),
          "a kernel inside the padded image");
  const ptrdiff_t pixels =
      static_cast<ptrdiff_t>(checked_bytes({batch, spec.out_h(height), spec.out_w(width)}));
  executor.reading(x, checked_bytes({batch, height, width, spec.in_channels}));
  executor.writing(y, checked_bytes({pixels, spec.out_channels}));
  executor.add_step(
      [=](Addresses at, uint8_t* scratch) {
        w->conv.run({at[x], batch, height, width, w->conv.spec().in_channels}, at[y], 0, pixels,
                    scratch);
        return true;
      },
      w->conv.scratch_bytes());
}

// Elements
// --------------------------------------------------------------------------------------------

// A copy of codes to another order: sizes, steps in the source, steps in the target, in elements.
using Moved = std::optional<std::array<std::vector<ptrdiff_t>, 3>>;

std::vector<CopyAxis> moved_axes(const Moved& moved, ptrdiff_t n) {
  if (!moved) return {};
  const auto& [sizes, from, to] = *moved;
  require(sizes.size() == from.size() && sizes.size() == to.size(), "two steps for each size");
  ptrdiff_t last_from = 0, last_to = 0, count = 1;
  std::vector<CopyAxis> axes;
  for (size_t i = 0; i < sizes.size(); ++i) {
    require(sizes[i] >= 0 && from[i] >= 0 && to[i] >= 0, "sizes and steps that are not negative");
    axes.push_back({sizes[i], from[i], to[i]});
    count = static_cast<ptrdiff_t>(checked_bytes({count, sizes[i]}));
    last_from +=
        static_cast<ptrdiff_t>(checked_bytes({std::max<ptrdiff_t>(sizes[i] - 1, 0), from[i]}));
    last_to += static_cast<ptrdiff_t>(checked_bytes({std::max<ptrdiff_t>(sizes[i] - 1, 0), to[i]}));
  }
  require(count == n && (n == 0 || (last_from < n && last_to < n)),
          "a copy that stays inside its arrays");
  return joined_axes(axes);
}

void add_quantize(Executor& executor, ptrdiff_t x, ptrdiff_t y, ptrdiff_t n, float scale,
                  const Codes& codes, const Moved& moved) {
  executor.reading(x, checked_bytes({n, 4}));
  executor.writing(y, checked_bytes({n}));
  const OutputCodes out = codes_of(codes);
  const std::vector<CopyAxis> axes = moved_axes(moved, n);
  executor.add_step(
      [=](Addresses at, uint8_t* scratch) {
        uint8_t* const to = axes.empty() ? at[y] : scratch;
        const bool usable = quantize(floats(at[x]), {1, 1, n}, &scale, &out.zero_point,
                                     {out.qmin, out.qmax}, CodeType::u8, to);
        if (!axes.empty()) strided_copy(scratch, at[y], axes, 1);
        return usable;
      },
      axes.empty() ? 0 : static_cast<size_t>(n));
}

void add_dequantize(Executor& executor, ptrdiff_t x, ptrdiff_t y, ptrdiff_t n, float scale,
                    int32_t zero_point, const Moved& moved) {
  executor.reading(x, checked_bytes({n}));
  executor.writing(y, checked_bytes({n, 4}));
  const std::vector<CopyAxis> axes = moved_axes(moved, n);
  executor.add_step(
      [=](Addresses at, uint8_t* scratch) {
        if (!axes.empty()) strided_copy(at[x], scratch, axes, 1);
        const uint8_t* const from = axes.empty() ? at[x] : scratch;
        dequantize(from, CodeType::u8, {1, 1, n}, &scale, &zero_point, floats(at[y]));
        return true;
      },
      axes.empty() ? 0 : static_cast<size_t>(n));
}

void add_lut(Executor& executor, ptrdiff_t x, ptrdiff_t y, ptrdiff_t n,
             const Array<uint8_t>& table) {
  executor.reading(x, checked_bytes({n}));
  executor.writing(y, checked_bytes({n}));
  require(table.ndim() == 1 && table.shape(0) == 256, "table[256]");
  std::array<uint8_t, 256> entries;
  std::copy(table.data(), table.data() + 256, entries.begin());
  executor.add_step([=](Addresses at, uint8_t*) {
    lut_u8(at[x], n, entries.data(), at[y]);
    return true;
  });
}

void add_sum(Executor& executor, ptrdiff_t a, ptrdiff_t b, ptrdiff_t y, ptrdiff_t n,
             const std::pair<float, int32_t>& qa, const std::pair<float, int32_t>& qb, float sy,
             const Codes& codes) {
  executor.reading(a, checked_bytes({n}));
  executor.reading(b, checked_bytes({n}));
  executor.writing(y, checked_bytes({n}));
  const OutputCodes out = codes_of(codes);
  const AddTerms terms = add_terms({qa.first, input_zero_point(qa.second)},
                                   {qb.first, input_zero_point(qb.second)}, sy, out);
  require(add_terms_usable(terms), "scales whose ratios are finite");
  executor.add_step([=](Addresses at, uint8_t*) {
    add_s8(at[a], at[b], n, terms, out, at[y]);
    return true;
  });
}

// Pools
// -----------------------------------------------------------------------------------------------

using Windows = std::vector<PoolWindow>;

Windows windows_of(const Array<int32_t>& triples, ptrdiff_t size) {
  const PoolWindow* first = pool_windows(triples, size);
  return Windows(first, first + triples.shape(0));
}

ptrdiff_t size_of(const Windows& windows) { return static_cast<ptrdiff_t>(windows.size()); }

// x is [batch][h][w][channels].
void max_pool(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes4& shape,
              const Array<int32_t>& rows, const Array<int32_t>& cols) {
  const Windows down = windows_of(rows, shape[1]), across = windows_of(cols, shape[2]);
  const ptrdiff_t pixels =
      static_cast<ptrdiff_t>(checked_bytes({shape[0], size_of(down), size_of(across)}));
  executor.reading(x, checked_bytes({shape[0], shape[1], shape[2], shape[3]}));
  executor.writing(y, checked_bytes({pixels, shape[3]}));
  executor.add_step([=](Addresses at, uint8_t*) {
    const PoolGrid grid{down.data(), across.data(), size_of(down), size_of(across)};
    max_pool_s8({at[x], shape[0], shape[1], shape[2], shape[3]}, grid, at[y], 0, pixels);
    return true;
  });
}

std::vector<int32_t> divisors_of(const Array<int32_t>& array, const Windows& windows) {
  require(array.ndim() == 1 && array.shape(0) == size_of(windows), "one divisor for each window");
  std::vector<int32_t> divisors(array.data(), array.data() + array.shape(0));
  for (const int32_t divisor : divisors) require(divisor >= 1, "divisors >= 1");
  return divisors;
}

void avg_pool(Executor& executor, ptrdiff_t x, ptrdiff_t y, const Sizes4& shape,
              const Array<int32_t>& rows, const Array<int32_t>& cols, const Array<int32_t>& row_div,
              const Array<int32_t>& col_div, float sx, int32_t zx, float sy, const Codes& codes) {
  const Windows down = windows_of(rows, shape[1]), across = windows_of(cols, shape[2]);
  const std::vector<int32_t> down_div = divisors_of(row_div, down),
                             across_div = divisors_of(col_div, across);
  const ptrdiff_t pixels =
      static_cast<ptrdiff_t>(checked_bytes({shape[0], size_of(down), size_of(across)}));
  executor.reading(x, checked_bytes({shape[0], shape[1], shape[2], shape[3]}));
  executor.writing(y, checked_bytes({pixels, shape[3]}));
  const OutputCodes out = codes_of(codes);
  input_zero_point(zx);
  executor.add_step([=](Addresses at, uint8_t*) {
    const PoolGrid grid{down.data(), across.data(), size_of(down), size_of(across)};
    const AvgPoolScales scales{down_div.data(), across_div.data(), sx, sy, zx};
    avg_pool_s8({at[x], shape[0], shape[1], shape[2], shape[3]}, grid, scales, out, at[y], 0,
                pixels);
    return true;
  });
}

}  // namespace

void bind_integer_steps(py::module_& m, ExecutorClass& executor) {
  py::class_<LinearWeights, std::shared_ptr<LinearWeights>>(m, "LinearWeights");
  py::class_<ConvWeights, std::shared_ptr<ConvWeights>>(m, "ConvWeights");
  m.def("pack_linear_s8", &pack_linear, py::arg("w").noconvert(), py::arg("bias").noconvert(),
        py::arg("mult").noconvert(), py::arg("zx"), py::arg("codes"));
  m.def("pack_conv_s8", &pack_conv, py::arg("w").noconvert(), py::arg("bias").noconvert(),
        py::arg("mult").noconvert(), py::arg("zx"), py::arg("codes"), py::arg("stride"),
        py::arg("pads"), py::arg("dilation"), py::arg("groups"));
  executor.def("linear_q", &linear, py::arg("weights"), py::arg("x"), py::arg("y"), py::arg("rows"))
      .def("conv_q", &conv, py::arg("weights"), py::arg("x"), py::arg("y"), py::arg("batch"),
           py::arg("height"), py::arg("width"))
      .def("quantize", &add_quantize, py::arg("x"), py::arg("y"), py::arg("n"), py::arg("scale"),
           py::arg("codes"), py::arg("moved"))
      .def("dequantize", &add_dequantize, py::arg("x"), py::arg("y"), py::arg("n"),
           py::arg("scale"), py::arg("zero_point"), py::arg("moved"))
      .def("lut", &add_lut, py::arg("x"), py::arg("y"), py::arg("n"), py::arg("table").noconvert())
      .def("add_q", &add_sum, py::arg("a"), py::arg("b"), py::arg("y"), py::arg("n"), py::arg("qa"),
           py::arg("qb"), py::arg("sy"), py::arg("codes"))
      .def("max_pool_q", &max_pool, py::arg("x"), py::arg("y"), py::arg("shape"),
           py::arg("rows").noconvert(), py::arg("cols").noconvert())
      .def("avg_pool_q", &avg_pool, py::arg("x"), py::arg("y"), py::arg("shape"),
           py::arg("rows").noconvert(), py::arg("cols").noconvert(), py::arg("row_div").noconvert(),
           py::arg("col_div").noconvert(), py::arg("sx"), py::arg("zx"), py::arg("sy"),
           py::arg("codes"));
}

}  // namespace qg
