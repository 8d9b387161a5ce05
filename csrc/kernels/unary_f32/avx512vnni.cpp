#include "simd/avx512vnni.h"
#include "kernels/unary_f32/unary_f32.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI
#include "kernels/unary_f32/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(unary_f32_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
