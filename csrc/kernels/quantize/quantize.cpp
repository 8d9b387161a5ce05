#include "kernels/quantize/quantize.h"

#include <algorithm>
#include <cmath>

namespace qg {

Dispatch<QuantizeVariant> quantize_variants;

namespace {

// The bounds of int32 codes are no float32 numbers, but they are float64 numbers.
bool to_int32(const float* x, ptrdiff_t n, float scale, int32_t zero_point, const CodeRange& range,
              int32_t* codes) {
  const double z = zero_point, low = range.qmin - z, high = range.qmax - z;
  bool nan = false;
  for (ptrdiff_t i = 0; i < n; ++i) {
    const double steps = std::nearbyint(x[i] / scale);
    nan |= std::isnan(steps);
    codes[i] = std::isnan(steps) ? 0 : static_cast<int32_t>(std::clamp(steps, low, high) + z);
  }
  return !nan;
}

}  // namespace

bool quantize(const float* x, const ChannelLayout& layout, const float* scale,
              const int32_t* zero_point, const CodeRange& range, CodeType type, void* codes) {
  const QuantizeVariant& variant = quantize_variants.get();
  bool no_nan = true;
  ptrdiff_t at = 0;
  for (ptrdiff_t o = 0; o < layout.outer; ++o) {
    for (ptrdiff_t c = 0; c < layout.channels; ++c, at += layout.inner) {
      no_nan &= type == CodeType::s32
                    ? to_int32(x + at, layout.inner, scale[c], zero_point[c], range,
                               static_cast<int32_t*>(codes) + at)
                    : variant.to_bytes(x + at, layout.inner, scale[c], zero_point[c], range,
                                       static_cast<uint8_t*>(codes) + at);
    }
  }
  return no_nan;
}

}  // namespace qg
