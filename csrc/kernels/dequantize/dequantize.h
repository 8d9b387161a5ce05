// x = float32(q - z) * s
//
// q [outer][channels][inner], s f32 [channels], z s32 [channels]; per tensor is one channel.
#pragma once

#include "dispatch.h"
#include "kernels/quantize/quantize.h"

namespace qg {

void dequantize(const void* codes, CodeType type, const ChannelLayout& layout, const float* scale,
                const int32_t* zero_point, float* x);

struct DequantizeVariant {
  void (*from_u8)(const uint8_t* codes, ptrdiff_t n, float scale, int32_t zero_point, float* x);
  void (*from_s8)(const int8_t* codes, ptrdiff_t n, float scale, int32_t zero_point, float* x);
};

extern Dispatch<DequantizeVariant> dequantize_variants;

}  // namespace qg
