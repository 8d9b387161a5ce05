// gemm_s8 in the vocabulary of one instruction set; included inside its namespace.

#include "requantize.h"

// One call of a tile: MR rows by NV vectors of columns, of which the first `columns` are stored.
struct TileArguments {
  const RowBlock* x;
  ptrdiff_t row;
  const int8_t* weights;
  const int32_t* bias;
  const float* mult;
  ptrdiff_t columns;
  const Requantizer* out;
  uint8_t* y;
  ptrdiff_t y_stride;
};

QG_INLINE uint32_t four_codes(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return four;
}

// The last one to three codes of a tap; the weights beside the missing ones are zero.
QG_INLINE uint32_t last_codes(const uint8_t* p, ptrdiff_t n) {
  uint32_t codes = p[0];
  if (n > 1) codes |= static_cast<uint32_t>(p[1]) << 8;
  if (n > 2) codes |= static_cast<uint32_t>(p[2]) << 16;
  return codes;
}

template <int MR, int NV>
QG_INLINE void multiply_group(I32 (&acc)[MR][NV], const uint32_t (&codes)[MR],
                              const int8_t* weights) {
  S8 w[NV];
  QG_UNROLL
  for (int v = 0; v < NV; ++v) w[v] = load_weights(weights + v * 4 * kLanes);
  QG_UNROLL
  for (int m = 0; m < MR; ++m) {
    const U8 a = splat_codes(codes[m]);
    QG_UNROLL
    for (int v = 0; v < NV; ++v) dot(acc[m][v], a, w[v]);
  }
}

template <int MR, int NV>
QG_INLINE void multiply_four(I32 (&acc)[MR][NV], const uint8_t* const (&a)[MR], ptrdiff_t k,
                             const int8_t* weights) {
  uint32_t codes[MR];
  QG_UNROLL
  for (int m = 0; m < MR; ++m) codes[m] = four_codes(a[m] + k);
  multiply_group<MR, NV>(acc, codes, weights);
}

// One tap of MR rows; returns where the weights of the next tap begin. One row has too few
// accumulators to hide the latency of a dot product, so it alternates between two sets of them.
template <int MR, int NV, int Sets>
QG_INLINE const int8_t* multiply_tap(I32 (&acc)[Sets][MR][NV], const uint8_t* const (&a)[MR],
                                     ptrdiff_t bytes, const int8_t* weights) {
  constexpr ptrdiff_t group = NV * 4 * kLanes;
  const ptrdiff_t whole = bytes & ~ptrdiff_t{3}, rest = bytes & 3;
  ptrdiff_t k = 0;
  if (Sets == 2) {
    for (; k + 8 <= whole; k += 8, weights += 2 * group) {
      multiply_four<MR, NV>(acc[0], a, k, weights);
      multiply_four<MR, NV>(acc[Sets - 1], a, k + 4, weights + group);
    }
  }
  for (; k < whole; k += 4, weights += group) multiply_four<MR, NV>(acc[0], a, k, weights);
  if (rest != 0) {
    uint32_t codes[MR];
    QG_UNROLL
    for (int m = 0; m < MR; ++m) codes[m] = last_codes(a[m] + whole, rest);
    multiply_group<MR, NV>(acc[0], codes, weights);
    weights += group;
  }
  return weights;
}

// The bias starts the accumulators, the whole depth runs in registers, and only codes are stored.
template <int MR, int NV>
void tile(const TileArguments& t) {
  constexpr int sets = MR == 1 ? 2 : 1;
  I32 acc[sets][MR][NV];
  QG_UNROLL
  for (int m = 0; m < MR; ++m) {
    QG_UNROLL
    for (int v = 0; v < NV; ++v) {
      if (sets == 2) acc[sets - 1][m][v] = splat(0);
      acc[0][m][v] = load(t.bias + v * kLanes);
      pin(acc[0][m][v]);
    }
  }
  const int8_t* weights = t.weights;
  for (ptrdiff_t tap = 0; tap < t.x->taps; ++tap) {
    const uint8_t* const* rows = t.x->rows + tap * t.x->tap_stride + t.row;
    const uint8_t* a[MR];
    QG_UNROLL
    for (int m = 0; m < MR; ++m) a[m] = rows[m];
    weights = multiply_tap<MR, NV, sets>(acc, a, t.x->tap_bytes, weights);
  }
  QG_UNROLL
  for (int m = 0; m < MR; ++m) {
    I32 codes[NV];
    QG_UNROLL
    for (int v = 0; v < NV; ++v) {
      const I32 sum = sets == 2 ? add(acc[0][m][v], acc[sets - 1][m][v]) : acc[0][m][v];
      codes[v] = requantize(sum, load(t.mult + v * kLanes), *t.out);
    }
    store_columns<NV>(t.y + m * t.y_stride, codes, t.columns);
  }
}

using Tile = void (*)(const TileArguments&);

// The tile of MR rows and NV vectors at [(MR - 1) * kTileVectors + NV - 1].
template <int... I>
constexpr std::array<Tile, sizeof...(I)> all_tiles(std::integer_sequence<int, I...>) {
  return {{tile<I / kTileVectors + 1, I % kTileVectors + 1>...}};
}

constexpr auto kTiles = all_tiles(std::make_integer_sequence<int, kTileRows * kTileVectors>());

// Rows are split into tiles whose heights differ by at most one: eight are 4 + 4, never 6 + 2.
void multiply_panel(TileArguments t, ptrdiff_t vectors) {
  uint8_t* const y = t.y;
  const ptrdiff_t tiles = (t.x->count + kTileRows - 1) / kTileRows;
  for (ptrdiff_t i = 0; i < tiles; ++i) {
    t.row = i * t.x->count / tiles;
    const ptrdiff_t rows = (i + 1) * t.x->count / tiles - t.row;
    t.y = y + t.row * t.y_stride;
    kTiles[static_cast<size_t>((rows - 1) * kTileVectors + vectors - 1)](t);
  }
}

void multiply(const RowBlock& x, const GemmPanels& w, const OutputCodes& out, uint8_t* y,
              ptrdiff_t y_stride) {
  constexpr ptrdiff_t panel = kTileVectors * kLanes;
  Requantizer requantizer;
  set_requantizer(requantizer, out);
  TileArguments t = {};
  t.x = &x;
  t.out = &requantizer;
  t.y_stride = y_stride;
  for (ptrdiff_t n = 0; n < w.columns; n += panel) {
    t.weights = w.weights + n * w.depth;
    t.bias = w.bias + n;
    t.mult = w.mult + n;
    t.columns = w.columns - n < panel ? w.columns - n : panel;
    t.y = y + n;
    multiply_panel(t, (t.columns + kLanes - 1) / kLanes);
  }
}

constexpr GemmS8Variant kVariant = {kTileVectors * kLanes, kLanes, multiply};
