#include "simd/avx2.h"
#include "kernels/depthwise_s8/variant.h"

#ifdef QG_HAVE_AVX2

QG_BEGIN_AVX2
#include "kernels/depthwise_s8/generic.h"
QG_END_AVX2

namespace qg {
static const Register registered(depthwise_s8_variants, Isa::avx2, &avx2::kVariant);
}  // namespace qg

#endif
