// y[m][n] = requantize(bias[n] + sum_k (x[m][k] - zx) * w[n][k], mult[n])
//
// x u8 [M][K], w s8 [N][K], bias s32 [N], mult f32 [N], y u8 [M][N]. The sum is exact in int32.
#pragma once

#include "kernels/gemm_s8/packed_weights.h"

namespace qg {

class PackedGemm {
 public:
  // w.taps is 1 and w.tap_bytes is K. Throws like PackedWeights.
  PackedGemm(const GemmWeights& w, const OutputCodes& out) : k_(w.tap_bytes), weights_(w, out) {}

  // Rows [m_begin, m_end) of y; disjoint ranges may run on different threads. Reads exactly K codes
  // a row.
  void run(const uint8_t* x, ptrdiff_t x_stride, uint8_t* y, ptrdiff_t y_stride, ptrdiff_t m_begin,
           ptrdiff_t m_end) const;

  ptrdiff_t k() const { return k_; }
  ptrdiff_t n() const { return weights_.columns(); }
  bool current() const { return weights_.current(); }
  size_t bytes() const { return weights_.bytes(); }

 private:
  ptrdiff_t k_;
  PackedWeights weights_;
};

}  // namespace qg
