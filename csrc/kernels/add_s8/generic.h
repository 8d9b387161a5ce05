// add_s8 in the vocabulary of one instruction set; included inside its namespace.

struct Adder {
  F32 ra, rb, c, low, high;
};

QG_INLINE I32 add_codes(I32 a, I32 b, const Adder& t) {
  const F32 sum = fma(to_float(a), t.ra, fma(to_float(b), t.rb, t.c));
  return round_to_int(min(max(sum, t.low), t.high));
}

void add(const uint8_t* a, const uint8_t* b, ptrdiff_t n, const AddTerms& terms,
         const OutputCodes& out, uint8_t* y) {
  Adder t;
  t.ra = splat(terms.ra);
  t.rb = splat(terms.rb);
  t.c = splat(terms.c);
  t.low = splat(static_cast<float>(out.qmin));
  t.high = splat(static_cast<float>(out.qmax));
  ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) narrow(y + i, add_codes(widen(a + i), widen(b + i), t));
  if (i < n) narrow(y + i, add_codes(widen(a + i, n - i), widen(b + i, n - i), t), n - i);
}

constexpr AddS8Variant kVariant = {add};
