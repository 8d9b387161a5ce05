#include "simd/avx512vnni.h"
#include "kernels/batch_norm_f32/batch_norm_f32.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI
#include "kernels/batch_norm_f32/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(batch_norm_f32_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
