#include "simd/avx2.h"
#include "kernels/layer_norm_f32/layer_norm_f32.h"

#ifdef QG_HAVE_AVX2

QG_BEGIN_AVX2
#include "kernels/layer_norm_f32/generic.h"
QG_END_AVX2

namespace qg {
static const Register registered(layer_norm_f32_variants, Isa::avx2, &avx2::kVariant);
}  // namespace qg

#endif
