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

// ((0+4)+(2+6)) + ((1+5)+(3+7))
QG_INLINE double total(const LaneSum& s) {
  double lane[kSumLanes];
  __builtin_memcpy(lane, s.lanes, sizeof lane);
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}
