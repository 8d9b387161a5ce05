// matmul_f32 in the vocabulary of one instruction set; included inside its namespace. The ISA file
// gives kFloatRows and kFloatVectors (the register tile), multiply_add(), pin() and load_halves().

// Where a tile's operands lie: packed (rows of the left one by stride, a panel of the right one),
// or one of them as windows of images.
enum class Operands { packed, right_windows, right_half_windows, left_windows };

struct FloatTile {
  const float* x;
  ptrdiff_t x_stride;
  const float* panel;
  // Windows on the right: vector v of row k is starts[v] + offsets[k], or in halves, each half.
  // On the left: row m is a chain of runs of `run` elements, run r at starts[r] + offsets[m].
  const float* const* starts;
  const ptrdiff_t* offsets;
  ptrdiff_t run;
  ptrdiff_t depth;
  ptrdiff_t columns;  // of NV * kLanes, how many to store
  bool continued;
  const float* bias;
  float* y;
  ptrdiff_t y_stride;
};

// How many of the remaining columns lie in the vector at `first`: 0..kLanes.
QG_INLINE ptrdiff_t lanes_left(ptrdiff_t columns, ptrdiff_t first) {
  const ptrdiff_t left = columns - first;
  return left < 0 ? 0 : left < kLanes ? left : kLanes;
}

// One row of the right operand times one column of the left one.
template <int MR, int NV>
QG_INLINE void multiply_outer(F32 (&acc)[MR][NV], const float* const (&x)[MR], ptrdiff_t k,
                              const F32 (&w)[NV]) {
  QG_UNROLL
  for (int m = 0; m < MR; ++m) {
    const F32 a = splat(x[m][k]);
    QG_UNROLL
    for (int v = 0; v < NV; ++v) multiply_add(acc[m][v], a, w[v]);
  }
}

// The whole depth of a tile with the left operand's rows at x and a panel.
template <int MR, int NV>
QG_INLINE void multiply_panel(F32 (&acc)[MR][NV], const float* const (&x)[MR], const float* panel,
                              ptrdiff_t depth) {
  for (ptrdiff_t k = 0; k < depth; ++k, panel += NV * kLanes) {
    F32 w[NV];
    QG_UNROLL
    for (int v = 0; v < NV; ++v) w[v] = load(panel + v * kLanes);
    multiply_outer<MR, NV>(acc, x, k, w);
  }
}

// MR rows by NV vectors of columns; the chain runs through registers.
template <int MR, int NV, Operands kOperands>
void float_tile(const FloatTile& t) {
  F32 acc[MR][NV];
  QG_UNROLL
  for (int m = 0; m < MR; ++m) {
    QG_UNROLL
    for (int v = 0; v < NV; ++v) {
      const ptrdiff_t n = t.continued ? lanes_left(t.columns, v * kLanes) : 0;
      acc[m][v] = n > 0 ? load(t.y + m * t.y_stride + v * kLanes, n) : splat(0.0f);
      pin(acc[m][v]);
    }
  }
  const float* x[MR];
  if (kOperands == Operands::left_windows) {
    const ptrdiff_t step = t.run * NV * kLanes;
    for (ptrdiff_t r = 0; r * t.run < t.depth; ++r) {
      QG_UNROLL
      for (int m = 0; m < MR; ++m) x[m] = t.starts[r] + t.offsets[m];
      multiply_panel<MR, NV>(acc, x, t.panel + r * step, t.run);
    }
  } else {
    QG_UNROLL
    for (int m = 0; m < MR; ++m) x[m] = t.x + m * t.x_stride;
    if (kOperands == Operands::packed) {
      multiply_panel<MR, NV>(acc, x, t.panel, t.depth);
    } else {
      constexpr bool kHalves = kOperands == Operands::right_half_windows;
      constexpr int kStarts = kHalves ? 2 * NV : NV;
      const float* starts[kStarts];
      QG_UNROLL
      for (int v = 0; v < kStarts; ++v) starts[v] = t.starts[v];
      for (ptrdiff_t k = 0; k < t.depth; ++k) {
        const ptrdiff_t offset = t.offsets[k];
        F32 w[NV];
        QG_UNROLL
        for (int v = 0; v < NV; ++v) {
          w[v] = kHalves ? load_halves(starts[2 * v] + offset, starts[2 * v + 1] + offset)
                         : load(starts[v] + offset);
        }
        multiply_outer<MR, NV>(acc, x, k, w);
      }
    }
  }
  QG_UNROLL
  for (int v = 0; v < NV; ++v) {
    const ptrdiff_t n = lanes_left(t.columns, v * kLanes);
    if (n == 0) continue;
    QG_UNROLL
    for (int m = 0; m < MR; ++m) {
      const F32 y = t.bias == nullptr ? acc[m][v] : acc[m][v] + load(t.bias + v * kLanes, n);
      store(t.y + m * t.y_stride + v * kLanes, y, n);
    }
  }
}

using FloatTileFunction = void (*)(const FloatTile&);

template <Operands kOperands, int MR, class Vectors>
struct FloatTileRow;
template <Operands kOperands, int MR, int... V>
struct FloatTileRow<kOperands, MR, std::integer_sequence<int, V...>> {
  static constexpr FloatTileFunction tiles[] = {float_tile<MR, V + 1, kOperands>...};
};

template <Operands kOperands, class Rows>
struct FloatTiles;
template <Operands kOperands, int... R>
struct FloatTiles<kOperands, std::integer_sequence<int, R...>> {
  using Vectors = std::make_integer_sequence<int, kFloatVectors>;
  static constexpr const FloatTileFunction* rows[] = {
      FloatTileRow<kOperands, R + 1, Vectors>::tiles...};
};

// Rows are split into tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2. `at(t, first,
// row)` tells a tile where its operands lie.
template <Operands kOperands, class At>
QG_INLINE void for_tiles(FloatTile t, ptrdiff_t rows, ptrdiff_t all_columns, float* y,
                         const At& at) {
  using Tiles = FloatTiles<kOperands, std::make_integer_sequence<int, kFloatRows>>;
  constexpr ptrdiff_t kPanel = kFloatVectors * kLanes;
  const ptrdiff_t tiles = (rows + kFloatRows - 1) / kFloatRows;
  for (ptrdiff_t first = 0; first < all_columns; first += kPanel) {
    t.columns = all_columns - first < kPanel ? all_columns - first : kPanel;
    const ptrdiff_t vectors = (t.columns + kLanes - 1) / kLanes;
    for (ptrdiff_t tile = 0; tile < tiles; ++tile) {
      const ptrdiff_t row = rows * tile / tiles, end = rows * (tile + 1) / tiles;
      t.y = y + row * t.y_stride + first;
      at(t, first, row);
      Tiles::rows[end - row - 1][vectors - 1](t);
    }
  }
}

void multiply_f32(const RowsF32& x, const PanelsF32& w, bool continued, const float* bias, float* y,
                  ptrdiff_t y_stride) {
  FloatTile t = {};
  t.x_stride = x.row_stride, t.y_stride = y_stride;
  t.depth = w.depth, t.continued = continued;
  for_tiles<Operands::packed>(t, x.count, w.columns, y,
                              [&](FloatTile& tile, ptrdiff_t first, ptrdiff_t row) {
                                tile.x = x.data + row * x.row_stride;
                                tile.panel = w.data + first * w.depth;
                                tile.bias = bias == nullptr ? nullptr : bias + first;
                              });
}

template <Operands kOperands>
void multiply_windows(const RowsF32& x, const RightWindowsF32& w, bool continued, float* y,
                      ptrdiff_t y_stride) {
  constexpr ptrdiff_t kColumns =
      kOperands == Operands::right_half_windows ? kLanes / 2 : kLanes;  // of a start
  FloatTile t = {};
  t.x_stride = x.row_stride, t.y_stride = y_stride;
  t.depth = w.depth, t.continued = continued;
  t.offsets = w.offsets;
  for_tiles<kOperands>(t, x.count, w.columns, y,
                       [&](FloatTile& tile, ptrdiff_t first, ptrdiff_t row) {
                         tile.x = x.data + row * x.row_stride;
                         tile.starts = w.starts + first / kColumns;
                       });
}

void multiply_right_windows(const RowsF32& x, const RightWindowsF32& w, bool continued, float* y,
                            ptrdiff_t y_stride) {
  if (w.halves) {
    multiply_windows<Operands::right_half_windows>(x, w, continued, y, y_stride);
  } else {
    multiply_windows<Operands::right_windows>(x, w, continued, y, y_stride);
  }
}

void multiply_left_windows(const LeftWindowsF32& x, const PanelsF32& w, float* y,
                           ptrdiff_t y_stride) {
  FloatTile t = {};
  t.y_stride = y_stride;
  t.depth = w.depth, t.continued = true;
  t.starts = x.starts, t.run = x.run;
  for_tiles<Operands::left_windows>(t, x.count, w.columns, y,
                                    [&](FloatTile& tile, ptrdiff_t first, ptrdiff_t row) {
                                      tile.offsets = x.offsets + row;
                                      tile.panel = w.data + first * w.depth;
                                    });
}

void pack_transposed_f32(const float* data, ptrdiff_t stride, ptrdiff_t columns, ptrdiff_t width,
                         ptrdiff_t depth, float* panel, ptrdiff_t step) {
  ptrdiff_t n = 0;
  for (; n + kLanes <= columns; n += kLanes) {
    ptrdiff_t k = 0;
    for (; k + kLanes <= depth; k += kLanes) {
      transpose_square(data + n * stride + k, stride, panel + k * step + n, step);
    }
    for (; k < depth; ++k) {
      for (ptrdiff_t i = 0; i < kLanes; ++i) panel[k * step + n + i] = data[(n + i) * stride + k];
    }
  }
  for (; n < columns; ++n) {
    for (ptrdiff_t k = 0; k < depth; ++k) panel[k * step + n] = data[n * stride + k];
  }
  for (; n < width; ++n) {
    for (ptrdiff_t k = 0; k < depth; ++k) panel[k * step + n] = 0.0f;
  }
}

constexpr MatmulF32Variant kVariant = {kFloatVectors * kLanes, kLanes,
                                       multiply_f32,           multiply_right_windows,
                                       multiply_left_windows,  pack_transposed_f32};
