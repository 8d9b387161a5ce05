#include "simd/avx2.h"
#include "kernels/lut_u8/lut_u8.h"

#ifdef QG_HAVE_AVX2

QG_BEGIN_AVX2

// The table as sixteen rows of sixteen entries, each row in both halves of a register. Adding 0x70
// with saturation leaves the top bit clear only where the code's row is the one asked for, and a
// byte shuffle gives 0 where it is set.
void lookup(const uint8_t* x, ptrdiff_t n, const uint8_t* table, uint8_t* y) {
  const __m256i offset = _mm256_set1_epi8(0x70);
  for (ptrdiff_t i = 0; i < n; i += 32) {
    const ptrdiff_t count = n - i < 32 ? n - i : 32;
    const U8 codes = load_codes(x + i, count);
    U8 found = _mm256_setzero_si256();
    QG_UNROLL
    for (int row = 0; row < 16; ++row) {
      const __m256i entries = _mm256_broadcastsi128_si256(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * row)));
      const U8 here = _mm256_xor_si256(codes, _mm256_set1_epi8(static_cast<char>(row << 4)));
      const U8 index = _mm256_adds_epu8(here, offset);
      found = _mm256_or_si256(found, _mm256_shuffle_epi8(entries, index));
    }
    store_codes(y + i, found, count);
  }
}

constexpr LutU8Variant kVariant = {lookup};
QG_END_AVX2

namespace qg {
static const Register registered(lut_u8_variants, Isa::avx2, &avx2::kVariant);
}  // namespace qg

#endif
