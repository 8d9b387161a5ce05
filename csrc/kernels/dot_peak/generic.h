// dot_peak in the vocabulary of one instruction set; included inside its namespace.

constexpr int kDots = kTileRows * kTileVectors;

int32_t run(const uint8_t* codes, const int8_t* weights, int64_t iterations) {
  I32 acc[kDots];
  QG_UNROLL
  for (int i = 0; i < kDots; ++i) acc[i] = splat(i);
  const S8 w = load_weights(weights);
  for (int64_t n = 0; n < iterations; ++n) {
    const U8 a = splat_codes(codes[n & 63]);
    QG_UNROLL
    for (int i = 0; i < kDots; ++i) dot(acc[i], a, w);
  }
  I32 sum = splat(0);
  QG_UNROLL
  for (int i = 0; i < kDots; ++i) sum = add(sum, acc[i]);
  return any(sum) ? 1 : 0;
}

constexpr DotPeakVariant kVariant = {kDots, kLanes, run};
