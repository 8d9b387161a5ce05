// Weights of one GEMM, laid out for the instruction set that was active when they were packed.
#pragma once

#include "aligned.h"
#include "kernels/gemm_s8/variant.h"

namespace qg {

// The canonical form: what files hold and what packing reads. Nothing here is kept after packing.
struct GemmWeights {
  const int8_t* weights;  // [n][taps][tap_bytes]
  const int32_t* bias;    // [n]
  const float* mult;      // [n], finite: (sx * sw[n]) / sy
  ptrdiff_t n;
  ptrdiff_t taps;
  ptrdiff_t tap_bytes;
  int32_t zx;  // zero point of x
};

class PackedWeights {
 public:
  // Throws std::invalid_argument if some accumulator could leave int32 or if a multiplier is not
  // finite.
  PackedWeights(const GemmWeights& w, const OutputCodes& out);

  // Writes y[r][0..n) for every row of the block.
  void multiply(const RowBlock& x, uint8_t* y, ptrdiff_t y_stride) const;

  ptrdiff_t columns() const { return columns_; }

  // False once set_isa chose another variant: results stay right, but pack again to use it.
  bool current() const { return variant_ == &gemm_s8_variants.get(); }

  size_t bytes() const { return weights_.size() + bias_.size() * 8; }

 private:
  const GemmS8Variant* variant_;
  OutputCodes out_;
  ptrdiff_t columns_;
  ptrdiff_t depth_;
  AlignedVector<int8_t> weights_;
  AlignedVector<int32_t> bias_;
  AlignedVector<float> mult_;
};

// How many rows to hand to multiply() at once, so that they stay in the second-level cache.
ptrdiff_t block_rows(ptrdiff_t row_bytes);
constexpr ptrdiff_t kMaxBlockRows = 96;

}  // namespace qg
