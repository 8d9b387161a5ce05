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
QG_INLINE void multiply_group(I32 (&acc)[MR][NV], const uint32_t (&codes)[MR], const int8_t* weights) {
  S8 w[NV];
  for (int v = 0; v < NV; ++v) w[v] = load_weights(weights + v * 4 * kLanes);
  for (int m = 0; m < MR; ++m) {
    const U8 a = splat_codes(codes[m]);
    for (int v = 0; v < NV; ++v) dot(acc[m][v], a, w[v]);
  }
}

// The bias starts the accumulators, the whole depth runs through registers, and only codes are stored.
template <int MR, int NV>
void tile(const TileArguments& t) {
  I32 acc[MR][NV];
  for (int m = 0; m < MR; ++m) {
    for (int v = 0; v < NV; ++v) {
      acc[m][v] = load(t.bias + v * kLanes);
      pin(acc[m][v]);
    }
  }
  const ptrdiff_t whole = t.x->tap_bytes & ~ptrdiff_t{3}, rest = t.x->tap_bytes & 3;
  const int8_t* weights = t.weights;
  for (ptrdiff_t tap = 0; tap < t.x->taps; ++tap) {
    const uint8_t* const* rows = t.x->rows + tap * t.x->tap_stride + t.row;
    const uint8_t* a[MR];
    for (int m = 0; m < MR; ++m) a[m] = rows[m];
    for (ptrdiff_t k = 0; k < whole; k += 4, weights += NV * 4 * kLanes) {
      uint32_t codes[MR];
      for (int m = 0; m < MR; ++m) codes[m] = four_codes(a[m] + k);
      multiply_group<MR, NV>(acc, codes, weights);
    }
    if (rest != 0) {
      uint32_t codes[MR];
      for (int m = 0; m < MR; ++m) codes[m] = last_codes(a[m] + whole, rest);
      multiply_group<MR, NV>(acc, codes, weights);
      weights += NV * 4 * kLanes;
    }
  }
  for (int m = 0; m < MR; ++m) {
    for (int v = 0; v < NV; ++v) acc[m][v] = requantize(acc[m][v], load(t.mult + v * kLanes), *t.out);
    store_columns<NV>(t.y + m * t.y_stride, acc[m], t.columns);
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
  for (ptrdiff_t n = 0; n < w.columns; n += panel) {
    const ptrdiff_t columns = w.columns - n < panel ? w.columns - n : panel;
    const TileArguments t{&x, 0, w.weights + n * w.depth, w.bias + n, w.mult + n, columns, &requantizer,
                          y + n, y_stride};
    multiply_panel(t, (columns + kLanes - 1) / kLanes);
  }
}

constexpr GemmS8Variant kVariant = {kTileVectors * kLanes, kLanes, multiply};
