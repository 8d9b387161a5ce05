// What packing checks and folds for every kernel that ends in requantize.h.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace qg {

// bias - zx * sum of weights: moves x's zero point out of the inner loop. Neither it nor any later
// partial sum leaves int32, because depth * 255 * 128 + |bias| does not.
inline int32_t folded_bias(int32_t bias, int64_t weight_sum, ptrdiff_t depth, int32_t zx) {
  const int64_t magnitude = bias < 0 ? -int64_t{bias} : int64_t{bias};
  if (depth > (INT32_MAX - magnitude) / (255 * 128)) {
    throw std::invalid_argument("depth * 255 * 128 + |bias| leaves int32");
  }
  return static_cast<int32_t>(bias - zx * weight_sum);
}

inline float checked_multiplier(float mult) {
  if (!(std::isfinite(mult) && mult >= 0)) {
    throw std::invalid_argument("a multiplier is not a finite number >= 0");
  }
  return mult;
}

}  // namespace qg
