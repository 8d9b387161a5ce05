// The output codes of a kernel: what requantize.h clamps to and shifts by.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qg {

// 0 <= qmin <= zero_point <= qmax <= 255.
struct OutputCodes {
  int32_t zero_point;
  int32_t qmin;
  int32_t qmax;
};

}  // namespace qg
