#include "kernels/where_f32/where_f32.h"

#include <cstring>

#include "parallel.h"

namespace qg {

namespace {

uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

template <bool kOneA, bool kOneB>
void select(const uint8_t* condition, const float* a, const float* b, ptrdiff_t count, float* y) {
  const uint32_t all_a = kOneA ? bits_of(*a) : 0, all_b = kOneB ? bits_of(*b) : 0;
  for (ptrdiff_t i = 0; i < count; ++i) {
    const uint32_t mask = 0u - static_cast<uint32_t>(condition[i] != 0);
    const uint32_t x = kOneA ? all_a : bits_of(a[i]), z = kOneB ? all_b : bits_of(b[i]);
    const uint32_t chosen = (x & mask) | (z & ~mask);
    std::memcpy(y + i, &chosen, sizeof chosen);
  }
}

}  // namespace

void where_f32(const uint8_t* condition, const float* a, ptrdiff_t a_step, const float* b,
               ptrdiff_t b_step, ptrdiff_t count, float* y) {
  const auto function = a_step == 0 ? (b_step == 0 ? select<true, true> : select<true, false>)
                                    : (b_step == 0 ? select<false, true> : select<false, false>);
  parallel_elements(count, kMovedElements, [&](ptrdiff_t begin, ptrdiff_t end) {
    function(condition + begin, a + begin * a_step, b + begin * b_step, end - begin, y + begin);
  });
}

}  // namespace qg
