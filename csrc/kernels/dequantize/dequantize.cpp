#include "kernels/dequantize/dequantize.h"

namespace qg {

Dispatch<DequantizeVariant> dequantize_variants;

namespace {

void from_s32(const int32_t* codes, ptrdiff_t n, float scale, int32_t zero_point, float* x) {
  for (ptrdiff_t i = 0; i < n; ++i)
    x[i] = static_cast<float>(int64_t{codes[i]} - zero_point) * scale;
}

}  // namespace

void dequantize(const void* codes, CodeType type, const ChannelLayout& layout, const float* scale,
                const int32_t* zero_point, float* x) {
  const DequantizeVariant& variant = dequantize_variants.get();
  const ptrdiff_t n = layout.inner;
  ptrdiff_t at = 0;
  for (ptrdiff_t o = 0; o < layout.outer; ++o) {
    for (ptrdiff_t c = 0; c < layout.channels; ++c, at += n) {
      switch (type) {
        case CodeType::u8:
          variant.from_u8(static_cast<const uint8_t*>(codes) + at, n, scale[c], zero_point[c],
                          x + at);
          break;
        case CodeType::s8:
          variant.from_s8(static_cast<const int8_t*>(codes) + at, n, scale[c], zero_point[c],
                          x + at);
          break;
        case CodeType::s32:
          from_s32(static_cast<const int32_t*>(codes) + at, n, scale[c], zero_point[c], x + at);
          break;
      }
    }
  }
}

}  // namespace qg
