#include "simd/avx512vnni.h"
#include "kernels/lut_u8/lut_u8.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI

// The table as 128 words in four registers: a word lookup finds the entry and its neighbour, a
// shift picks. (One byte permute would do it with VBMI, which the first CPUs with VNNI lack.)
struct Table {
  __m512i words[4];
};

// In every word, the entry for the code in the word's low byte; the high byte must be 0.
QG_INLINE __m512i entries(const Table& t, __m512i codes) {
  const __m512i word = _mm512_srli_epi16(codes, 1);
  const __m512i low = _mm512_permutex2var_epi16(t.words[0], word, t.words[1]);
  const __m512i high = _mm512_permutex2var_epi16(t.words[2], word, t.words[3]);
  const __mmask32 upper_half = _mm512_movepi16_mask(_mm512_slli_epi16(codes, 8));
  const __m512i pair = _mm512_mask_blend_epi16(upper_half, low, high);
  const __m512i shift = _mm512_slli_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(1)), 3);
  return _mm512_and_si512(_mm512_srlv_epi16(pair, shift), _mm512_set1_epi16(255));
}

void lookup(const uint8_t* x, ptrdiff_t n, const uint8_t* table, uint8_t* y) {
  Table t;
  for (int i = 0; i < 4; ++i) t.words[i] = _mm512_loadu_si512(table + 64 * i);
  for (ptrdiff_t i = 0; i < n; i += 64) {
    const ptrdiff_t count = n - i < 64 ? n - i : 64;
    const U8 codes = load_codes(x + i, count);
    const __m512i even = entries(t, _mm512_and_si512(codes, _mm512_set1_epi16(255)));
    const __m512i odd = entries(t, _mm512_srli_epi16(codes, 8));
    store_codes(y + i, _mm512_or_si512(even, _mm512_slli_epi16(odd, 8)), count);
  }
}

constexpr LutU8Variant kVariant = {lookup};
QG_END_AVX512VNNI

namespace qg {
static const Register registered(lut_u8_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
