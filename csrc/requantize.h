// The only rounding of accumulators to codes, for every instruction set. Included inside a set's
// namespace, after its vocabulary; the meaning is requantize() of qgrad/qparams.py.
//
//   q = rne(clamp(float32(acc) * mult, qmin - zy, qmax - zy)) + zy
//
// The multiplier is finite, so nothing here is NaN; the product may be infinite and is clamped. The
// bounds are integers, so clamping before rounding gives the same codes as after it and never
// leaves int32.

struct Requantizer {
  F32 low, high;
  I32 zero_point;
};

QG_INLINE void set_requantizer(Requantizer& r, const OutputCodes& out) {
  r.low = splat(static_cast<float>(out.qmin - out.zero_point));
  r.high = splat(static_cast<float>(out.qmax - out.zero_point));
  r.zero_point = splat(out.zero_point);
}

QG_INLINE I32 requantize(I32 acc, F32 mult, const Requantizer& r) {
  const F32 scaled = mul(to_float(acc), mult);
  return add(round_to_int(min(max(scaled, r.low), r.high)), r.zero_point);
}
