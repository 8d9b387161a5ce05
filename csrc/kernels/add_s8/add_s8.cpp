#include "kernels/add_s8/add_s8.h"

#include <cmath>

namespace qg {

Dispatch<AddS8Variant> add_s8_variants;

AddTerms add_terms(const AddOperand& a, const AddOperand& b, float sy, const OutputCodes& out) {
  const float ra = a.scale / sy, rb = b.scale / sy;
  const float za = static_cast<float>(a.zero_point), zb = static_cast<float>(b.zero_point);
  return {ra, rb, static_cast<float>(out.zero_point) - std::fma(ra, za, rb * zb)};
}

bool add_terms_usable(const AddTerms& terms) {
  const float most_b = std::fma(255.0f, terms.rb, terms.c);
  return std::isfinite(terms.c) && std::isfinite(most_b) &&
         std::isfinite(std::fma(255.0f, terms.ra, most_b));
}

void add_s8(const uint8_t* a, const uint8_t* b, ptrdiff_t n, const AddTerms& terms,
            const OutputCodes& out, uint8_t* y) {
  add_s8_variants.get().add(a, b, n, terms, out, y);
}

}  // namespace qg
