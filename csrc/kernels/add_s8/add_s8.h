// y = rne(clamp(fma(a, ra, fma(b, rb, c)), qmin, qmax))
//
// ra = sa / sy, rb = sb / sy, c = float(zy) - fma(ra, float(za), rb * float(zb)), all float32: the
// form of ONNX Runtime's QLinearAdd on x86. a, b, y u8 [n]; y may be a or b.
#pragma once

#include "codes.h"
#include "dispatch.h"

namespace qg {

struct AddTerms {
  float ra, rb, c;
};

struct AddOperand {
  float scale;
  int32_t zero_point;
};

AddTerms add_terms(const AddOperand& a, const AddOperand& b, float sy, const OutputCodes& out);

// Whether no code can make the sum infinite or NaN; the other functions need it.
bool add_terms_usable(const AddTerms& terms);

void add_s8(const uint8_t* a, const uint8_t* b, ptrdiff_t n, const AddTerms& terms,
            const OutputCodes& out, uint8_t* y);

struct AddS8Variant {
  void (*add)(const uint8_t* a, const uint8_t* b, ptrdiff_t n, const AddTerms& terms,
              const OutputCodes& out, uint8_t* y);
};

extern Dispatch<AddS8Variant> add_s8_variants;

}  // namespace qg
