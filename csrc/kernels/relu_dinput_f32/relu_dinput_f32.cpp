#include "kernels/relu_dinput_f32/relu_dinput_f32.h"

#include <cstdint>
#include <cstring>

#include "parallel.h"

namespace qg {

// Limited by memory: the compiler's own vectors are enough. Of `y > 0 ? g : 0` it makes a branch.
void relu_dinput_f32(const float* g, const float* y, ptrdiff_t n, float* dx) {
  parallel_elements(n, kMovedElements, [&](ptrdiff_t begin, ptrdiff_t end) {
    for (ptrdiff_t i = begin; i < end; ++i) {
      int32_t bits;
      std::memcpy(&bits, g + i, sizeof bits);
      bits &= -static_cast<int32_t>(y[i] > 0.0f);
      std::memcpy(dx + i, &bits, sizeof bits);
    }
  });
}

}  // namespace qg
