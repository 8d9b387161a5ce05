#include "simd/avx2.h"
#include "kernels/quantize/quantize.h"

#ifdef QG_HAVE_AVX2

QG_BEGIN_AVX2
#include "kernels/quantize/generic.h"
QG_END_AVX2

namespace qg {
static const Register registered(quantize_variants, Isa::avx2, &avx2::kVariant);
}  // namespace qg

#endif
