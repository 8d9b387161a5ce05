// y[i] = table[x[i]]
//
// x, y u8 [n], table u8 [256]; y may be x.
#pragma once

#include "dispatch.h"

namespace qg {

void lut_u8(const uint8_t* x, ptrdiff_t n, const uint8_t* table, uint8_t* y);

struct LutU8Variant {
  void (*lookup)(const uint8_t* x, ptrdiff_t n, const uint8_t* table, uint8_t* y);
};

extern Dispatch<LutU8Variant> lut_u8_variants;

}  // namespace qg
