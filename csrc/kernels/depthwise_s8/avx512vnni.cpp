#include "simd/avx512vnni.h"
#include "kernels/depthwise_s8/variant.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI
#include "kernels/depthwise_s8/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(depthwise_s8_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
