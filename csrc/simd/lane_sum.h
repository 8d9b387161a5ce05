// The one order of float64 sums, so that every instruction set gives the same bits; see lane_sum()
// in qgrad/kernels/float_reference.py. Included inside the namespace of an instruction set, after
// functions.h.

constexpr ptrdiff_t kSumLanes = 8;
constexpr int kSumVectors = static_cast<int>(kSumLanes / kWide);

// Element i of a sum belongs to lane i % 8.
struct LaneSum {
  F64 lanes[kSumVectors];

  QG_INLINE LaneSum zero() {
    LaneSum s;
    for (int v = 0; v < kSumVectors; ++v) s.lanes[v] = wide(0.0);
    return s;
  }
};

// Calls add(v, i, count) for elements [i, i + count) of n, count <= kWide, which belong to vector
// v.
template <class Add>
QG_INLINE void for_lane_vectors(ptrdiff_t n, const Add& add) {
  ptrdiff_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    QG_UNROLL
    for (int v = 0; v < kSumVectors; ++v) add(v, i + v * kWide, kWide);
  }
  QG_UNROLL
  for (int v = 0; v < kSumVectors; ++v) {
    const ptrdiff_t left = n - i - v * kWide;
    if (left > 0) add(v, i + v * kWide, left < kWide ? left : kWide);
  }
}

QG_INLINE F64 get(const float* x, ptrdiff_t n) {
  return n >= kWide ? load_wide(x) : load_wide(x, n);
}

// x with zeros for the lanes from n on.
QG_INLINE F64 first_lanes(F64 x, ptrdiff_t n) {
  for (ptrdiff_t l = n; l < kWide; ++l) x[l] = 0.0;
  return x;
}

// ((0+4)+(2+6)) + ((1+5)+(3+7))
QG_INLINE double total(const LaneSum& s) {
  double lane[kSumLanes];
  __builtin_memcpy(lane, s.lanes, sizeof lane);
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}
