// Functions of float32 vectors by a fixed sequence of IEEE operations, fused multiply-adds among
// them: the same bits on every CPU. Mirrors the second half of qgrad/kernels/float_functions.py;
// included inside the namespace of an instruction set, after its vocabulary.

typedef int32_t BitsF32 __attribute__((vector_size(kLanes * 4)));

QG_INLINE BitsF32 bits(F32 x) { return reinterpret_cast<BitsF32>(x); }
QG_INLINE F32 from_bits(BitsF32 x) { return reinterpret_cast<F32>(x); }
QG_INLINE F32 abs(F32 x) { return from_bits(bits(x) & INT32_MAX); }

QG_INLINE F32 clamp(F32 x, float low, float high) {
  return x < low ? splat(low) : x > high ? splat(high) : x;
}

// c[0] + x * (c[1] + x * (c[2] + ...))
template <int N>
QG_INLINE F32 fma_polynomial(const float (&c)[N], F32 x) {
  F32 y = splat(c[N - 1]);
  QG_UNROLL
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, splat(c[i]));
  return y;
}

constexpr float kRounderF32 = 12582912.0f;  // 1.5 * 2^23
constexpr float kExpF32[] = {1.0f / 2, 1.0f / 6, 1.0f / 24, 1.0f / 120, 1.0f / 720, 1.0f / 5040};
constexpr float kNormalTail[] = {
    0.759554207f,   -0.625129819f,    0.418227524f,   -0.220515057f,    0.0852723643f,
    -0.0193680413f, -0.000752550317f, 0.00218593003f, -0.000361457933f, -0.000232938299f};
constexpr float kNormalNear[] = {0.398942292f,   -0.0664903596f,  0.00997333042f,
                                 -0.0011863485f, 0.000113507478f, -7.66260837e-06f};
constexpr float kNormalEnd = 14.5f;  // behind it, the tail times anything finite is 0

struct ScaledExp {
  F32 e, s1, s2;
};

// exp(high + low) = (e * s1) * s2, for high in [-110, 0] and low within its last place.
QG_INLINE ScaledExp scaled_exp(F32 high, F32 low) {
  ScaledExp t;
  const F32 shifted = fma(high, splat(1.44269502f), splat(kRounderF32));
  const F32 n = shifted - kRounderF32;
  const F32 r = fma(n, splat(1.90465421e-9f), fma(n, splat(-0.693147182f), high)) + low;
  t.e = fma(r * r, fma_polynomial(kExpF32, r), r) + 1.0f;
  const BitsF32 power = bits(shifted) - bits(splat(kRounderF32));
  const BitsF32 half = power >> 1;
  t.s1 = from_bits((half + 127) << 23);
  t.s2 = from_bits((power - half + 127) << 23);
  return t;
}

// exp(a - b) for a <= b. What the difference loses by rounding is added to the exponent.
QG_INLINE F32 exp_difference(F32 a, F32 b) {
  const F32 difference = a - b;
  const F32 back = difference - a;
  const F32 low = (a - (difference - back)) - (b + back);
  const auto far = difference < -104.0f;
  const ScaledExp t = scaled_exp(far ? splat(-104.0f) : difference, far ? splat(0.0f) : low);
  return (t.e * t.s1) * t.s2;
}

// For 0 <= a <= kNormalEnd: gauss is exp(-a*a/2), the normal distribution's mass behind a is ratio
// times that.
struct NormalTail {
  ScaledExp gauss;
  F32 ratio;
};

QG_INLINE NormalTail normal_tail(F32 a) {
  NormalTail t;
  const F32 square = a * a;
  t.gauss = scaled_exp(square * -0.5f, fma(a, a, -square) * -0.5f);
  const F32 inverse = 1.0f / (a + 4.25f);
  t.ratio = fma_polynomial(kNormalTail, (a - 4.25f) * inverse) * inverse;
  return t;
}

// For |x| <= 1, where the tail would lose digits: Phi(x) - 1/2.
QG_INLINE F32 normal_near(F32 x) { return x * fma_polynomial(kNormalNear, x * x); }

QG_INLINE F32 gelu(F32 x) {
  const NormalTail t = normal_tail(min(abs(x), splat(kNormalEnd)));
  const F32 lost = ((x * (t.gauss.e * t.ratio)) * t.gauss.s1) * t.gauss.s2;
  const F32 far = x < 0.0f ? lost : x - lost;
  const F32 y = abs(x) < 1.0f ? x * (normal_near(x) + 0.5f) : far;
  return x > kNormalEnd ? x : x < -kNormalEnd ? splat(-0.0f) : y;
}

QG_INLINE F32 gelu_dinput(F32 g, F32 x) {
  const F32 c = clamp(x, -kNormalEnd, kNormalEnd);
  const NormalTail t = normal_tail(abs(c));
  const F32 gauss = (t.gauss.e * t.gauss.s1) * t.gauss.s2;
  const F32 tail = gauss * t.ratio;
  const F32 far = x < 0.0f ? tail : 1.0f - tail;
  const F32 mass = abs(x) < 1.0f ? normal_near(x) + 0.5f : far;
  return g * (mass + c * (gauss * 0.398942292f));
}
