#include "kernels/unary_f32/unary_f32.h"

namespace qg {

Dispatch<UnaryF32Variant> unary_f32_variants;

void unary_f32(UnaryF32 function, const float* x, ptrdiff_t n, const double* parameters, float* y) {
  unary_f32_variants.get().functions[static_cast<int32_t>(function)](x, n, parameters, y);
}

}  // namespace qg
