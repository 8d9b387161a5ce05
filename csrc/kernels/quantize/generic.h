// quantize in the vocabulary of one instruction set; included inside its namespace.

struct Quantizer {
  F32 scale, low, high;
  I32 zero_point;
};

// Clamped to integers before rounding: the same codes as after it, and nothing leaves int32.
QG_INLINE I32 quantize(F32 x, const Quantizer& q) {
  return add(round_to_int(min(max(div(x, q.scale), q.low), q.high)), q.zero_point);
}

bool to_bytes(const float* x, ptrdiff_t n, float scale, int32_t zero_point, const CodeRange& range,
              uint8_t* codes) {
  Quantizer q;
  q.scale = splat(scale);
  q.low = splat(static_cast<float>(range.qmin - zero_point));
  q.high = splat(static_cast<float>(range.qmax - zero_point));
  q.zero_point = splat(zero_point);
  I32 nan = splat(0);
  ptrdiff_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F32 v = load(x + i);
    nan = flag_nan(nan, v);
    narrow(codes + i, quantize(v, q));
  }
  if (i < n) {
    const F32 v = load(x + i, n - i);
    nan = flag_nan(nan, v);
    narrow(codes + i, quantize(v, q), n - i);
  }
  return !any(nan);
}

constexpr QuantizeVariant kVariant = {to_bytes};
