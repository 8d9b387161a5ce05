#include "simd/avx2.h"
#include "kernels/batch_norm_f32/batch_norm_f32.h"

#ifdef QG_HAVE_AVX2

QG_BEGIN_AVX2
#include "kernels/batch_norm_f32/generic.h"
QG_END_AVX2

namespace qg {
static const Register registered(batch_norm_f32_variants, Isa::avx2, &avx2::kVariant);
}  // namespace qg

#endif
