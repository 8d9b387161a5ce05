#include "kernels/unary_f32/unary_f32.h"

#include "parallel.h"

namespace qg {

Dispatch<UnaryF32Variant> unary_f32_variants;

namespace {

constexpr ptrdiff_t kGrain[] = {
#define QG_SINGLE(name, y) kMovedElements,
#define QG_WIDE(name, y) kComputedElements,
#include "kernels/unary_f32/unary_f32.def"
#undef QG_SINGLE
#undef QG_WIDE
};

}  // namespace

void unary_f32(UnaryF32 function, const float* x, ptrdiff_t n, const double* parameters, float* y) {
  const int32_t index = static_cast<int32_t>(function);
  const auto map = unary_f32_variants.get().functions[index];
  parallel_elements(n, kGrain[index], [&](ptrdiff_t begin, ptrdiff_t end) {
    map(x + begin, end - begin, parameters, y + begin);
  });
}

}  // namespace qg
