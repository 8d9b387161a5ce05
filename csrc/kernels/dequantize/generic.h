// dequantize in the vocabulary of one instruction set; included inside its namespace.

template <class Code>
QG_INLINE void from_bytes(const Code* codes, ptrdiff_t n, float scale, int32_t zero_point,
                          float* x) {
  const F32 s = splat(scale);
  const I32 z = splat(zero_point);
  ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(x + i, mul(to_float(sub(widen(codes + i), z)), s));
  if (i < n) store(x + i, mul(to_float(sub(widen(codes + i, n - i), z)), s), n - i);
}

void from_u8(const uint8_t* codes, ptrdiff_t n, float scale, int32_t zero_point, float* x) {
  from_bytes(codes, n, scale, zero_point, x);
}

void from_s8(const int8_t* codes, ptrdiff_t n, float scale, int32_t zero_point, float* x) {
  from_bytes(codes, n, scale, zero_point, x);
}

constexpr DequantizeVariant kVariant = {from_u8, from_s8};
