// q = clamp(rne(x / s) + z, qmin, qmax), float32 division, round half to even; infinity saturates
//
// x f32 [outer][channels][inner], s f32 [channels], z s32 [channels]; per tensor is one channel.
#pragma once

#include "dispatch.h"

namespace qg {

enum class CodeType : int32_t { u8, s8, s32 };

struct ChannelLayout {
  ptrdiff_t outer, channels, inner;
};

struct CodeRange {
  int32_t qmin, qmax;
};

// False if x holds NaN, which has no code; then the codes are unspecified.
bool quantize(const float* x, const ChannelLayout& layout, const float* scale,
              const int32_t* zero_point, const CodeRange& range, CodeType type, void* codes);

struct QuantizeVariant {
  // One channel to 8-bit codes of either signedness; |range| and |zero_point| up to 255.
  bool (*to_bytes)(const float* x, ptrdiff_t n, float scale, int32_t zero_point,
                   const CodeRange& range, uint8_t* codes);
};

extern Dispatch<QuantizeVariant> quantize_variants;

}  // namespace qg
