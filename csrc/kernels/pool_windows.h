// Pooling windows, one axis at a time: qgrad/kernels/windows.py makes them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qg {

// The input positions start, start + step, ... below stop, never none; 0 <= start < stop <= size.
struct PoolWindow {
  int32_t start, stop, step;

  int32_t count() const { return (stop - start + step - 1) / step; }
};

static_assert(sizeof(PoolWindow) == 12, "read as int32 [n][3]");

// The windows of [out_h][out_w] output pixels: every row window with every column window.
struct PoolGrid {
  const PoolWindow* rows;
  const PoolWindow* cols;
  ptrdiff_t out_h, out_w;
};

}  // namespace qg
