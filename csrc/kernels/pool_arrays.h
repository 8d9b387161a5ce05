// Arguments that the pooling kernels share in their bindings.
#pragma once

#include "bind.h"
#include "kernels/conv2d_s8/window_rows.h"
#include "kernels/pool_windows.h"

namespace qg {

inline Images pool_images(const Array<uint8_t>& x) {
  const uint8_t* codes = elements(x, 4, "x[B][H][W][C]");
  return {codes, x.shape(0), x.shape(1), x.shape(2), x.shape(3)};
}

inline const PoolWindow* pool_windows(const Array<int32_t>& triples, ptrdiff_t size) {
  const int32_t* data = elements(triples, 2, "windows[n][3]");
  require(triples.shape(1) == 3, "windows[n][3]");
  const auto* windows = reinterpret_cast<const PoolWindow*>(data);
  for (ptrdiff_t i = 0; i < triples.shape(0); ++i) {
    const PoolWindow& window = windows[i];
    // `stop + step` must fit too: the loops step past `stop`.
    require(0 <= window.start && window.start < window.stop && window.stop <= size &&
                1 <= window.step && window.step <= INT32_MAX - window.stop,
            "windows with 0 <= start < stop <= size and step >= 1");
  }
  return windows;
}

inline PoolGrid pool_grid(const Array<int32_t>& rows, const Array<int32_t>& cols, const Images& x) {
  return {pool_windows(rows, x.h), pool_windows(cols, x.w), rows.shape(0), cols.shape(0)};
}

}  // namespace qg
