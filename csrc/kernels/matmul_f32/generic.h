// matmul_f32 in the vocabulary of one instruction set; included inside its namespace. The ISA file
// gives kFloatRows and kFloatVectors (the register tile), multiply_add() and pin().

struct FloatTile {
  const float* x;
  ptrdiff_t x_stride;
  const float* panel;
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

// MR rows by NV vectors of columns; the chain runs through registers.
template <int MR, int NV>
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
  QG_UNROLL
  for (int m = 0; m < MR; ++m) x[m] = t.x + m * t.x_stride;
  const float* panel = t.panel;
  for (ptrdiff_t k = 0; k < t.depth; ++k, panel += NV * kLanes) {
    F32 w[NV];
    QG_UNROLL
    for (int v = 0; v < NV; ++v) w[v] = load(panel + v * kLanes);
    QG_UNROLL
    for (int m = 0; m < MR; ++m) {
      const F32 a = splat(x[m][k]);
      QG_UNROLL
      for (int v = 0; v < NV; ++v) multiply_add(acc[m][v], a, w[v]);
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

template <int MR, class Vectors>
struct FloatTileRow;
template <int MR, int... V>
struct FloatTileRow<MR, std::integer_sequence<int, V...>> {
  static constexpr FloatTileFunction tiles[] = {float_tile<MR, V + 1>...};
};

template <class Rows>
struct FloatTiles;
template <int... R>
struct FloatTiles<std::integer_sequence<int, R...>> {
  using Vectors = std::make_integer_sequence<int, kFloatVectors>;
  static constexpr const FloatTileFunction* rows[] = {FloatTileRow<R + 1, Vectors>::tiles...};
};

// Rows are split into tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2.
void multiply_f32(const RowsF32& x, const PanelsF32& w, bool continued, const float* bias, float* y,
                  ptrdiff_t y_stride) {
  using Tiles = FloatTiles<std::make_integer_sequence<int, kFloatRows>>;
  constexpr ptrdiff_t kPanel = kFloatVectors * kLanes;
  const ptrdiff_t tiles = (x.count + kFloatRows - 1) / kFloatRows;
  for (ptrdiff_t first = 0; first < w.columns; first += kPanel) {
    const ptrdiff_t columns = w.columns - first < kPanel ? w.columns - first : kPanel;
    const ptrdiff_t vectors = (columns + kLanes - 1) / kLanes;
    const float* panel = w.data + first * w.depth;
    for (ptrdiff_t tile = 0; tile < tiles; ++tile) {
      const ptrdiff_t row = x.count * tile / tiles, end = x.count * (tile + 1) / tiles;
      const FloatTile t{x.data + row * x.row_stride,
                        x.row_stride,
                        panel,
                        w.depth,
                        columns,
                        continued,
                        bias == nullptr ? nullptr : bias + first,
                        y + row * y_stride + first,
                        y_stride};
      Tiles::rows[end - row - 1][vectors - 1](t);
    }
  }
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

constexpr MatmulF32Variant kVariant = {kFloatVectors * kLanes, kLanes, multiply_f32,
                                       pack_transposed_f32};
