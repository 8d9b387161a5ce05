#include "simd/avx512vnni.h"
#include "kernels/add_s8/add_s8.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI
#include "kernels/add_s8/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(add_s8_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
