// y[i0]...[in] = x[i0]...[in], each with its own strides
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace qg {

// Strides in elements; they may be 0 in x.
struct CopyAxis {
  ptrdiff_t size, x_step, y_step;
};

// The axes that are left when those of size 1 are dropped and those that can be walked as one are
// joined.
std::vector<CopyAxis> joined_axes(const std::vector<CopyAxis>& axes);

// Elements of 1, 4 or 8 bytes; `axes` are joined.
void strided_copy(const uint8_t* x, uint8_t* y, const std::vector<CopyAxis>& axes,
                  ptrdiff_t itemsize);

}  // namespace qg
