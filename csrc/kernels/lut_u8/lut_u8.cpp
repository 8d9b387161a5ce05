#include "kernels/lut_u8/lut_u8.h"

namespace qg {

Dispatch<LutU8Variant> lut_u8_variants;

void lut_u8(const uint8_t* x, ptrdiff_t n, const uint8_t* table, uint8_t* y) {
  lut_u8_variants.get().lookup(x, n, table, y);
}

}  // namespace qg
