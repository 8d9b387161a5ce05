// Functions of float64 vectors by a fixed sequence of IEEE operations: the same bits on every CPU.
//
// Mirrors qgrad/kernels/float_functions.py line by line, which gives the formulas and their errors;
// included inside the namespace of an instruction set, after its vocabulary. NaN passes through
// everything.

constexpr ptrdiff_t kWide = kLanes / 2;

typedef double F64 __attribute__((vector_size(kWide * 8)));
typedef int64_t I64 __attribute__((vector_size(kWide * 8)));
typedef uint64_t U64
    __attribute__((vector_size(kWide * 8)));  // for bits of NaN and infinity, which wrap
typedef float HalfF32 __attribute__((vector_size(kWide * 4)));  // what to_double() takes

QG_INLINE F64 wide(double x) { return x - F64{}; }  // not +: that would turn -0.0 into 0.0
QG_INLINE I64 bits(F64 x) { return reinterpret_cast<I64>(x); }
QG_INLINE F64 from_bits(I64 x) { return reinterpret_cast<F64>(x); }

QG_INLINE F64 load_wide(const float* p) {
  HalfF32 half;
  __builtin_memcpy(&half, p, sizeof half);
  return to_double(half);
}
QG_INLINE F64 load_wide(const float* p, ptrdiff_t n) {
  HalfF32 half = {};
  __builtin_memcpy(&half, p, static_cast<size_t>(n) * sizeof(float));
  return to_double(half);
}
QG_INLINE void store_rounded(float* p, F64 x) {
  const HalfF32 half = to_single(x);
  __builtin_memcpy(p, &half, sizeof half);
}
QG_INLINE void store_rounded(float* p, F64 x, ptrdiff_t n) {
  const HalfF32 half = to_single(x);
  __builtin_memcpy(p, &half, static_cast<size_t>(n) * sizeof(float));
}

// Adding it leaves a number below 2^51 rounded to an integer, in the low bits too.
constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52
constexpr int64_t kRounderBits = 0x4338000000000000;

QG_INLINE F64 from_integer(I64 n) { return from_bits(n + kRounderBits) - kRounder; }
QG_INLINE F64 abs(F64 x) { return from_bits(bits(x) & INT64_MAX); }

QG_INLINE F64 clip(F64 x, double low, double high) {
  return x < low ? wide(low) : x > high ? wide(high) : x;
}

QG_INLINE F64 sqrt(F64 x) {
  F64 y = {};
  for (int i = 0; i < kWide; ++i) y[i] = __builtin_sqrt(x[i]);
  return y;
}

template <int N>
QG_INLINE F64 polynomial(const double (&c)[N], F64 x) {
  F64 y = wide(c[N - 1]);
  for (int i = N - 2; i >= 0; --i) y = y * x + c[i];
  return y;
}

constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2High = 0.6931471803691238;
constexpr double kLn2Low = 1.9082149292705877e-10;
constexpr double kExpm1[] = {1.0 / 2,    1.0 / 6,     1.0 / 24,     1.0 / 120,     1.0 / 720,
                             1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800};
constexpr double kAtanh[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9, 2.0 / 11,
                             2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19};
constexpr double kErf[] = {1.1283791670955121,      -0.376126389031744,      0.11283791670580423,
                           -0.026866170586496874,   0.005223977154105304,    -0.0008548304871782741,
                           0.00012054681918310599,  -1.4913300906316395e-05, 1.631035651387174e-06,
                           -1.5188281247335167e-07, 9.428596956834164e-09};
constexpr double kErfc[] = {1.0740069070881277,     -0.8833944531675639,    0.5902283571611083,
                            -0.3104672621776076,    0.11952775884039198,    -0.026827225178787727,
                            -0.00121237940759575,   0.003033924197067764,   -0.0005485461708252035,
                            -0.0002757993998399561, 0.00010807334373921776, 2.7025285994927877e-05,
                            -1.688166413351385e-05};
constexpr double kTwoOverPi = 0.6366197723675814;
constexpr double kHalfPiHigh = 1.5707963267341256;
constexpr double kHalfPiLow = 6.077100506506192e-11;
constexpr double kSin[] = {-1.0 / 6,     1.0 / 120,       -1.0 / 5040,
                           1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800};
constexpr double kCos[] = {-1.0 / 2,    1.0 / 24,       -1.0 / 720,
                           1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600};

// exp(x) = s + s * p, s a power of two.
QG_INLINE void exp_parts(F64 x, F64& s, F64& p) {
  x = clip(x, -300.0, 300.0);
  const F64 shifted = x * kLog2E + kRounder;
  const F64 n = shifted - kRounder;
  const F64 r = (x - n * kLn2High) - n * kLn2Low;
  const U64 exponent = reinterpret_cast<U64>(shifted) - (kRounderBits - 1023);
  s = reinterpret_cast<F64>(exponent << 52);
  p = r + (r * r) * polynomial(kExpm1, r);
}

QG_INLINE F64 exp(F64 x) {
  F64 s, p;
  exp_parts(x, s, p);
  return s + s * p;
}

QG_INLINE F64 expm1(F64 x) {
  F64 s, p;
  exp_parts(x, s, p);
  return s * p + (s - 1.0);
}

QG_INLINE F64 log_of_parts(F64 exponent, F64 f) {
  const F64 s = f / (2.0 + f);
  const F64 u = s * s;
  const F64 log1p_f = 2.0 * s + s * (u * polynomial(kAtanh, u));
  return exponent * kLn2High + (exponent * kLn2Low + log1p_f);
}

QG_INLINE F64 log(F64 x) {
  const U64 raw = reinterpret_cast<U64>(x);
  const I64 exponent = (reinterpret_cast<I64>(raw + 0x00095F6200000000) >> 52) - 1023;
  const F64 mantissa = reinterpret_cast<F64>(raw - (reinterpret_cast<U64>(exponent) << 52));
  const F64 y = log_of_parts(from_integer(exponent), mantissa - 1.0);
  const F64 infinity = wide(__builtin_inf()), nan = wide(__builtin_nan(""));
  const F64 finite = x == 0.0 ? -infinity : x < 0.0 ? nan : y;
  return ((x == infinity) | (x != x)) ? x : finite;
}

QG_INLINE F64 log1p(F64 x) {
  const I64 small = (x > -0.29) & (x < 0.41);
  const F64 near = log_of_parts(wide(0.0), small ? x : wide(0.0));
  return small ? near : log(1.0 + x);
}

QG_INLINE F64 erf_near(F64 x) { return x * polynomial(kErf, x * x); }

QG_INLINE F64 erfc_far(F64 x) {
  x = clip(x, 1.0, 12.0);
  return exp(-(x * x)) * polynomial(kErfc, (x - 3.0) / (x + 3.0)) / (x + 3.0);
}

QG_INLINE F64 erf(F64 x) {
  const F64 a = abs(x);
  const F64 far = 1.0 - erfc_far(a);
  return a > 1.0 ? (x < 0.0 ? -far : far) : erf_near(clip(x, -1.0, 1.0));
}

QG_INLINE F64 erfc(F64 x) {
  const F64 far = erfc_far(abs(x));
  const F64 near = 1.0 - erf_near(clip(x, -1.0, 1.0));
  return abs(x) > 1.0 ? (x < 0.0 ? 2.0 - far : far) : near;
}

QG_INLINE F64 exp2(F64 x) { return exp(x * 0.6931471805599453); }
QG_INLINE F64 log2(F64 x) { return log(x) * 1.4426950408889634; }
QG_INLINE F64 log10(F64 x) { return log(x) * 0.4342944819032518; }

QG_INLINE F64 hypot(F64 a, F64 b) {
  const F64 infinity = wide(__builtin_inf());
  return ((abs(a) == infinity) | (abs(b) == infinity)) ? infinity : sqrt(a * a + b * b);
}

QG_INLINE F64 logaddexp(F64 a, F64 b) {
  const F64 larger = a > b ? a : b;
  return a == b ? a + 0.6931471805599453 : larger + log1p(exp(-abs(a - b)));
}

QG_INLINE F64 sigmoid(F64 x) { return 1.0 / (1.0 + exp(-x)); }

QG_INLINE F64 tanh(F64 x) {
  const F64 e = expm1(2.0 * clip(abs(x), 0.0, 25.0));
  const F64 y = e / (e + 2.0);
  return x < 0.0 ? -y : x == 0.0 ? x : y;
}

QG_INLINE F64 gelu_tanh(F64 x) {
  const F64 c = clip(x, -40.0, 40.0);
  const F64 u = 1.5957691216057308 * (c + 0.044715 * ((c * c) * c));
  return x < -40.0 ? wide(-0.0) : x * sigmoid(u);
}

QG_INLINE F64 silu(F64 x) { return x < -250.0 ? wide(-0.0) : x * sigmoid(x); }

QG_INLINE F64 mish(F64 x) {
  const F64 e = exp(clip(x, -250.0, 40.0));
  const F64 t = e * (e + 2.0);
  return x < -250.0 ? wide(-0.0) : x * (t / (t + 2.0));
}

QG_INLINE F64 softplus(F64 x, double beta, double threshold) {
  const F64 t = beta * x;
  return t > threshold ? x : log1p(exp(t)) / beta;
}

QG_INLINE F64 logsigmoid(F64 x) { return (x > 0.0 ? wide(0.0) : x) - log1p(exp(-abs(x))); }
QG_INLINE F64 elu(F64 x, double alpha) { return x > 0.0 ? x : alpha * expm1(x); }
QG_INLINE F64 selu(F64 x) { return 1.0507009873554805 * elu(x, 1.6732632423543772); }
QG_INLINE F64 hardsigmoid(F64 x) { return clip(x + 3.0, 0.0, 6.0) / 6.0; }
QG_INLINE F64 hardswish(F64 x) { return x < -3.0 ? wide(-0.0) : x * hardsigmoid(x); }

// sin(x + quadrant * pi / 2).
QG_INLINE F64 sin_cos(F64 x, int64_t quadrant) {
  const I64 small = abs(x) < 1048576.0;
  const F64 inside = small ? x : wide(0.0);
  const F64 shifted = inside * kTwoOverPi + kRounder;
  const F64 n = shifted - kRounder;
  const F64 r = (inside - n * kHalfPiHigh) - n * kHalfPiLow;
  const F64 u = r * r;
  const F64 sine = r + r * (u * polynomial(kSin, u));
  const F64 cosine = 1.0 + u * polynomial(kCos, u);
  const I64 q = bits(shifted) + quadrant;
  F64 y = (q & 1) != 0 ? cosine : sine;
  y = (q & 2) != 0 ? -y : y;
  for (int i = 0; i < kWide; ++i) {
    if (small[i] == 0) y[i] = quadrant == 0 ? __builtin_sin(x[i]) : __builtin_cos(x[i]);
  }
  return y;
}

QG_INLINE F64 sin(F64 x) { return x == 0.0 ? x : sin_cos(x, 0); }
QG_INLINE F64 cos(F64 x) { return sin_cos(x, 1); }

// For numbers that are float32: those from 2^24 on are whole.
QG_INLINE F64 floor(F64 x) {
  const F64 nearest = (x + kRounder) - kRounder;
  const F64 below = nearest > x ? nearest - 1.0 : nearest;
  return abs(x) < 16777216.0 ? below : x;
}

QG_INLINE F64 power(F64 a, F64 b) {
  const F64 infinity = wide(__builtin_inf());
  const F64 magnitude = exp(b * log(abs(a)));
  const I64 whole = floor(b) == b;
  const I64 odd = whole & (floor(b * 0.5) * 2.0 != b);
  F64 y = odd & (bits(a) < 0) ? -magnitude : magnitude;
  y = (a < 0.0) & ~whole & (abs(a) != infinity) ? wide(__builtin_nan("")) : y;
  y = (abs(a) == 1.0) & (abs(b) == infinity) ? wide(1.0) : y;
  y = b == 2.0 ? a * a : y;
  return (b == 0.0) | (a == 1.0) ? wide(1.0) : y;
}
