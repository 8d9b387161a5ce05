#include "simd/scalar.h"
#include "kernels/lut_u8/lut_u8.h"

QG_BEGIN_SCALAR

void lookup(const uint8_t* x, ptrdiff_t n, const uint8_t* table, uint8_t* y) {
  for (ptrdiff_t i = 0; i < n; ++i) y[i] = table[x[i]];
}

constexpr LutU8Variant kVariant = {lookup};

const Register registered(lut_u8_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
