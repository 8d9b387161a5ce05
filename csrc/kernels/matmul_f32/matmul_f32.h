// y[m][n] = (fma chain over k ascending, from +0, of a[m][k] * b[k][n]) + bias[n]
//
// Every element is one chain of fused multiply-adds, so no bit of it depends on the sizes of the
// matrices, on tiling, threads or instruction set. a, b, bias, y float32; a and b with any strides.
#pragma once

#include <algorithm>

#include "aligned.h"
#include "kernels/matmul_f32/variant.h"

namespace qg {

// Element (row, column) is data[row * row_stride + column * column_stride].
struct MatrixF32 {
  const float* data;
  ptrdiff_t rows, columns;
  ptrdiff_t row_stride, column_stride;

  MatrixF32 transposed() const { return {data, columns, rows, column_stride, row_stride}; }
};

// y is [a.rows][b.columns], rows y_stride apart; bias [b.columns] or null.
void matmul_f32(const MatrixF32& a, const MatrixF32& b, const float* bias, float* y,
                ptrdiff_t y_stride);

// dw = g transposed times x, [g.columns][x.columns]; db[n] = the sum of g's column n, as reduce_f32
// sums. g and x have the same rows.
void linear_grads_f32(const MatrixF32& g, const MatrixF32& x, float* dw, float* db);

// The right operand, laid out once for the instruction set that was active then.
class PackedMatrixF32 {
 public:
  explicit PackedMatrixF32(const MatrixF32& b);

  // Rows [m_begin, m_end) of y; disjoint ranges may run on different threads. a.columns is b's rows
  // and a.column_stride is 1.
  void run(const MatrixF32& a, const float* bias, float* y, ptrdiff_t y_stride, ptrdiff_t m_begin,
           ptrdiff_t m_end) const;

  // False once set_isa chose another variant: results stay right, but pack again to use it.
  bool current() const { return variant_ == &matmul_f32_variants.get(); }
  size_t bytes() const { return data_.size() * sizeof(float); }

 private:
  const MatmulF32Variant* variant_;
  ptrdiff_t depth_, columns_;
  AlignedVector<float> data_;
};

// For kernels that build panels themselves: writes columns [begin, begin + panels.columns), rows
// [k_begin, k_begin + panels.depth) of b.
void pack_panels_f32(const MatmulF32Variant& variant, const MatrixF32& b, ptrdiff_t k_begin,
                     ptrdiff_t depth, ptrdiff_t begin, ptrdiff_t columns, float* panels);

// As many products as are worth waking a thread for.
constexpr ptrdiff_t kProductsPerThread = ptrdiff_t{1} << 21;

// Blocks of the right operand that stay in the second-level cache while rows of the left one pass
// by.
constexpr ptrdiff_t kDepthBlockF32 = 512;
constexpr ptrdiff_t kColumnBlockF32 = 256;  // a multiple of every panel_columns

// The longest block of a depth that is cut into blocks of nearly equal length.
inline ptrdiff_t depth_block_f32(ptrdiff_t depth) {
  const ptrdiff_t blocks = std::max<ptrdiff_t>(1, (depth + kDepthBlockF32 - 1) / kDepthBlockF32);
  return (depth + blocks - 1) / blocks;
}

}  // namespace qg
