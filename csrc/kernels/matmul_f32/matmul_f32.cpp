#include "kernels/matmul_f32/matmul_f32.h"

#include <algorithm>
#include <cstring>

#include "kernels/reduce_f32/reduce_f32.h"
#include "lanes.h"
#include "parallel.h"

namespace qg {

Dispatch<MatmulF32Variant> matmul_f32_variants;

namespace {

constexpr ptrdiff_t kTileRowsF32 = 6;  // a whole tile of every instruction set
constexpr ptrdiff_t kRowBlock = 16 * kTileRowsF32;

// Elements to copy that are worth sharing: between products, the other threads are awake.
constexpr ptrdiff_t kPackedElements = 1 << 14;

ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t to) { return (n + to - 1) / to * to; }

// Whole rows of a panel whose width is known are a few moves, not a call.
template <ptrdiff_t Width>
void pack_whole_rows(const MatrixF32& b, float* panel) {
  for (ptrdiff_t k = 0; k < b.rows; ++k, panel += Width) {
    std::memcpy(panel, b.data + k * b.row_stride, Width * sizeof(float));
  }
}

void pack_rows(const MatrixF32& b, ptrdiff_t width, float* panel) {
  if (b.column_stride == 1 && b.columns == width) {
    if (width == 16) return pack_whole_rows<16>(b, panel);
    if (width == 64) return pack_whole_rows<64>(b, panel);
  }
  const size_t bytes = static_cast<size_t>(b.columns) * sizeof(float);
  for (ptrdiff_t k = 0; k < b.rows; ++k, panel += width) {
    const float* row = b.data + k * b.row_stride;
    if (b.column_stride == 1) {
      std::memcpy(panel, row, bytes);
    } else {
      for (ptrdiff_t n = 0; n < b.columns; ++n) panel[n] = row[n * b.column_stride];
    }
    std::fill(panel + b.columns, panel + width, 0.0f);
  }
}

MatrixF32 part(const MatrixF32& m, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t column,
               ptrdiff_t columns) {
  return {m.data + row * m.row_stride + column * m.column_stride, rows, columns, m.row_stride,
          m.column_stride};
}

// y = 0 + bias, or 0: a sum of no products. (0 + -0 is 0.)
void fill_rows(const float* bias, float* y, ptrdiff_t y_stride, ptrdiff_t rows, ptrdiff_t columns) {
  for (ptrdiff_t m = 0; m < rows; ++m) {
    for (ptrdiff_t n = 0; n < columns; ++n)
      y[m * y_stride + n] = bias == nullptr ? 0.0f : 0.0f + bias[n];
  }
}

// All panels meet some rows before the next rows come: those stay in the second-level cache.
void multiply_rows(const MatmulF32Variant& variant, const RowsF32& x, const PanelsF32& w,
                   bool continued, const float* bias, float* y, ptrdiff_t y_stride) {
  for (ptrdiff_t m = 0; m < x.count; m += kRowBlock) {
    variant.multiply({x.data + m * x.row_stride, std::min(kRowBlock, x.count - m), x.row_stride}, w,
                     continued, bias, y + m * y_stride, y_stride);
  }
}

// Calls use(n, columns, k, depth) for each block of b, the blocks of one column range by k
// ascending.
template <class Use>
void for_blocks(ptrdiff_t all_columns, ptrdiff_t all_depth, const Use& use) {
  const ptrdiff_t block = depth_block_f32(all_depth);
  for (ptrdiff_t n = 0; n < all_columns; n += kColumnBlockF32) {
    const ptrdiff_t columns = std::min(kColumnBlockF32, all_columns - n);
    for (ptrdiff_t k = 0; k < all_depth; k += block) {
      use(n, columns, k, std::min(block, all_depth - k));
    }
  }
}

// a.column_stride is 1.
void multiply_part(const MatrixF32& a, const MatrixF32& b, const float* bias, float* y,
                   ptrdiff_t y_stride) {
  const MatmulF32Variant& variant = matmul_f32_variants.get();
  const ptrdiff_t widest = std::min(kColumnBlockF32, round_up(b.columns, variant.lanes));
  AlignedVector<float> panels(static_cast<size_t>(widest * depth_block_f32(b.rows)));
  for_blocks(b.columns, b.rows, [&](ptrdiff_t n, ptrdiff_t columns, ptrdiff_t k, ptrdiff_t depth) {
    pack_panels_f32(variant, b, k, depth, n, columns, panels.data());
    const float* block_bias = bias != nullptr && k + depth == b.rows ? bias + n : nullptr;
    multiply_rows(variant, {a.data + k, a.rows, a.row_stride}, {panels.data(), depth, columns},
                  k > 0, block_bias, y + n, y_stride);
  });
}

ptrdiff_t panels_f32(const MatmulF32Variant& variant, ptrdiff_t columns) {
  return (columns + variant.panel_columns - 1) / variant.panel_columns;
}

// Panels of b's columns, rows [k, k + depth): threads share the packing.
void pack_sharing(const MatmulF32Variant& variant, const MatrixF32& b, ptrdiff_t k, ptrdiff_t depth,
                  ptrdiff_t n, ptrdiff_t columns, float* panels) {
  const ptrdiff_t width = variant.panel_columns;
  parallel_for(
      panels_f32(variant, columns), std::max<ptrdiff_t>(1, kPackedElements / (width * depth)),
      [&](ptrdiff_t begin, ptrdiff_t end) {
        const ptrdiff_t first = begin * width, last = std::min(columns, end * width);
        pack_panels_f32(variant, b, k, depth, n + first, last - first, panels + first * depth);
      });
}

// Threads share the rows of y, and before that the packing of what all of them multiply by.
void multiply_sharing_rows(const MatrixF32& a, const MatrixF32& b, const float* bias, float* y,
                           ptrdiff_t y_stride, ptrdiff_t grain) {
  const MatmulF32Variant& variant = matmul_f32_variants.get();
  const ptrdiff_t widest = std::min(kColumnBlockF32, round_up(b.columns, variant.lanes));
  AlignedVector<float> panels(static_cast<size_t>(widest * depth_block_f32(b.rows)));
  for_blocks(b.columns, b.rows, [&](ptrdiff_t n, ptrdiff_t columns, ptrdiff_t k, ptrdiff_t depth) {
    pack_sharing(variant, b, k, depth, n, columns, panels.data());
    const float* block_bias = bias != nullptr && k + depth == b.rows ? bias + n : nullptr;
    parallel_for((a.rows + kTileRowsF32 - 1) / kTileRowsF32, grain,
                 [&](ptrdiff_t begin, ptrdiff_t end) {
                   const ptrdiff_t row = begin * kTileRowsF32;
                   const ptrdiff_t count = std::min(a.rows, end * kTileRowsF32) - row;
                   multiply_rows(variant, {a.data + row * a.row_stride + k, count, a.row_stride},
                                 {panels.data(), depth, columns}, k > 0, block_bias,
                                 y + row * y_stride + n, y_stride);
                 });
  });
}

// The parts of y that threads compute are ranges of columns, where each packs what it multiplies
// by, or of rows if there are too few columns.
void multiply_packing_b(const MatrixF32& a, const MatrixF32& b, const float* bias, float* y,
                        ptrdiff_t y_stride) {
  constexpr ptrdiff_t kColumns = 64;  // whole tiles of every instruction set
  const ptrdiff_t of_columns = (b.columns + kColumns - 1) / kColumns;
  const ptrdiff_t of_rows = (a.rows + kTileRowsF32 - 1) / kTileRowsF32;
  const auto grain = [&](ptrdiff_t parts) {
    return std::max<ptrdiff_t>(1, kProductsPerThread * parts / (a.rows * b.rows) / b.columns);
  };
  if (thread_count() == 1) return multiply_part(a, b, bias, y, y_stride);
  if (of_columns < 2 * thread_count() && of_columns < of_rows) {
    return multiply_sharing_rows(a, b, bias, y, y_stride, grain(of_rows));
  }
  parallel_for(of_columns, grain(of_columns), [&](ptrdiff_t begin, ptrdiff_t end) {
    const ptrdiff_t first = begin * kColumns, stop = std::min(b.columns, end * kColumns);
    multiply_part(a, part(b, 0, b.rows, first, stop - first),
                  bias == nullptr ? nullptr : bias + first, y + first, y_stride);
  });
}

// y = transpose of yt [columns][rows], plus bias.
void store_transposed(const float* yt, ptrdiff_t rows, ptrdiff_t columns, const float* bias,
                      float* y, ptrdiff_t y_stride) {
  const MatmulF32Variant& variant = matmul_f32_variants.get();
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kPackedElements / columns);
  parallel_for(rows, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
    float* const to = y + begin * y_stride;
    variant.pack_transposed(yt + begin, rows, columns, columns, end - begin, to, y_stride);
    if (bias == nullptr) return;
    for (ptrdiff_t m = 0; m < end - begin; ++m) {
      for (ptrdiff_t n = 0; n < columns; ++n) to[m * y_stride + n] += bias[n];
    }
  });
}

// Rows [m, m + count) and columns [k, k + depth) of a, one row after the other.
void copy_rows(const MatmulF32Variant& variant, const MatrixF32& a, ptrdiff_t m, ptrdiff_t count,
               ptrdiff_t k, ptrdiff_t depth, float* rows) {
  const float* from = a.data + m * a.row_stride + k * a.column_stride;
  if (a.row_stride == 1) {
    // Its columns are contiguous: the transpose of a panel.
    variant.pack_transposed(from, a.column_stride, depth, depth, count, rows, depth);
    return;
  }
  for (ptrdiff_t i = 0; i < count; ++i) {
    for (ptrdiff_t j = 0; j < depth; ++j) {
      *rows++ = from[i * a.row_stride + j * a.column_stride];
    }
  }
}

// Rows of a that are copied and used while they are in the cache: whole tiles, and as many blocks
// for every thread.
ptrdiff_t copied_rows(ptrdiff_t rows) {
  const ptrdiff_t threads = thread_count();
  const ptrdiff_t blocks = round_up((rows + kRowBlock - 1) / kRowBlock, threads);
  return round_up((rows + blocks - 1) / blocks, kTileRowsF32);
}

// Sums of the rows of a matrix that come in pieces, as reduce_f32 sums.
class RowSums {
 public:
  explicit RowSums(ptrdiff_t rows) : lanes_(static_cast<size_t>(rows * kSumLanes), 0.0) {}

  void add(ptrdiff_t row, const float* x, ptrdiff_t n, ptrdiff_t first) {
    reduce_f32_variants.get().run(true, x, n, first % kSumLanes, lanes_.data() + row * kSumLanes);
  }

  float total(ptrdiff_t row) const {
    return static_cast<float>(summed_lanes(lanes_.data() + row * kSumLanes) + 0.0);
  }

 private:
  AlignedVector<double> lanes_;
};

// For an `a` whose rows are not contiguous. Adds them to `sums` if there are some.
void multiply_packing_both(const MatrixF32& a, const MatrixF32& b, const float* bias, float* y,
                           ptrdiff_t y_stride, RowSums* sums = nullptr) {
  const MatmulF32Variant& variant = matmul_f32_variants.get();
  const ptrdiff_t step = depth_block_f32(b.rows), block = copied_rows(a.rows);
  const ptrdiff_t grain = std::max<ptrdiff_t>(1, kProductsPerThread / (block * step * b.columns));
  AlignedVector<float> panels(static_cast<size_t>(round_up(b.columns, variant.lanes) * step));
  for (ptrdiff_t k = 0; k < b.rows; k += step) {
    const ptrdiff_t depth = std::min(step, b.rows - k);
    pack_sharing(variant, b, k, depth, 0, b.columns, panels.data());
    parallel_for((a.rows + block - 1) / block, grain, [&](ptrdiff_t begin, ptrdiff_t end) {
      AlignedVector<float> rows(static_cast<size_t>(block * depth));
      for (ptrdiff_t m = begin * block; m < std::min(a.rows, end * block); m += block) {
        const ptrdiff_t count = std::min(block, a.rows - m);
        copy_rows(variant, a, m, count, k, depth, rows.data());
        for (ptrdiff_t row = 0; sums != nullptr && row < count; ++row) {
          sums->add(m + row, rows.data() + row * depth, depth, k);
        }
        variant.multiply({rows.data(), count, depth}, {panels.data(), depth, b.columns}, k > 0,
                         k + depth == b.rows ? bias : nullptr, y + m * y_stride, y_stride);
      }
    });
  }
}

}  // namespace

void pack_panels_f32(const MatmulF32Variant& variant, const MatrixF32& b, ptrdiff_t k_begin,
                     ptrdiff_t depth, ptrdiff_t begin, ptrdiff_t columns, float* panels) {
  for (ptrdiff_t first = 0; first < columns; first += variant.panel_columns) {
    const ptrdiff_t used = std::min(variant.panel_columns, columns - first);
    const ptrdiff_t width = round_up(used, variant.lanes);
    const MatrixF32 source = part(b, k_begin, depth, begin + first, used);
    if (b.row_stride == 1 && b.column_stride != 1) {
      variant.pack_transposed(source.data, b.column_stride, used, width, depth,
                              panels + first * depth, width);
    } else {
      pack_rows(source, width, panels + first * depth);
    }
  }
}

void matmul_f32(const MatrixF32& a, const MatrixF32& b, const float* bias, float* y,
                ptrdiff_t y_stride) {
  if (a.rows == 0 || b.columns == 0) return;
  if (a.columns == 0) return fill_rows(bias, y, y_stride, a.rows, b.columns);
  const bool rows_ready = a.column_stride == 1, columns_ready = b.row_stride == 1;
  // Packing is the cost of a small product: pack the smaller operand, where the other can be read
  // as it is.
  if (columns_ready && (a.rows < b.columns / 2 || !rows_ready) && a.rows <= 4 * b.columns) {
    AlignedVector<float> yt(static_cast<size_t>(a.rows * b.columns));
    multiply_packing_b(b.transposed(), a.transposed(), nullptr, yt.data(), a.rows);
    return store_transposed(yt.data(), a.rows, b.columns, bias, y, y_stride);
  }
  if (rows_ready) return multiply_packing_b(a, b, bias, y, y_stride);
  multiply_packing_both(a, b, bias, y, y_stride);
}

void linear_grads_f32(const MatrixF32& g, const MatrixF32& x, float* dw, float* db) {
  if (g.columns == 0) return;
  RowSums sums(g.columns);
  if (g.rows == 0 || x.columns == 0) {
    fill_rows(nullptr, dw, x.columns, g.columns, x.columns);
    for (ptrdiff_t n = 0; n < g.columns; ++n) {
      for (ptrdiff_t m = 0; m < g.rows; ++m) {
        sums.add(n, g.data + m * g.row_stride + n * g.column_stride, 1, m);
      }
    }
  } else {
    multiply_packing_both(g.transposed(), x, nullptr, dw, x.columns, &sums);
  }
  for (ptrdiff_t n = 0; n < g.columns; ++n) db[n] = sums.total(n);
}

PackedMatrixF32::PackedMatrixF32(const MatrixF32& b)
    : variant_(&matmul_f32_variants.get()), depth_(b.rows), columns_(b.columns),
      data_(static_cast<size_t>(round_up(b.columns, variant_->lanes) * b.rows)) {
  for_blocks(columns_, depth_, [&](ptrdiff_t n, ptrdiff_t columns, ptrdiff_t k, ptrdiff_t depth) {
    const ptrdiff_t width = round_up(columns, variant_->lanes);
    pack_panels_f32(*variant_, b, k, depth, n, columns, data_.data() + n * depth_ + k * width);
  });
}

void PackedMatrixF32::run(const MatrixF32& a, const float* bias, float* y, ptrdiff_t y_stride,
                          ptrdiff_t m_begin, ptrdiff_t m_end) const {
  if (m_begin >= m_end || columns_ == 0) return;
  float* const rows = y + m_begin * y_stride;
  if (depth_ == 0) return fill_rows(bias, rows, y_stride, m_end - m_begin, columns_);
  for_blocks(columns_, depth_, [&](ptrdiff_t n, ptrdiff_t columns, ptrdiff_t k, ptrdiff_t depth) {
    const ptrdiff_t width = round_up(columns, variant_->lanes);
    const RowsF32 x{a.data + m_begin * a.row_stride + k, m_end - m_begin, a.row_stride};
    const float* block_bias = bias != nullptr && k + depth == depth_ ? bias + n : nullptr;
    multiply_rows(*variant_, x, {data_.data() + n * depth_ + k * width, depth, columns}, k > 0,
                  block_bias, rows + n, y_stride);
  });
}

}  // namespace qg
