#include "simd/avx2.h"
#include "kernels/dot_peak/dot_peak.h"

#ifdef QG_HAVE_AVX2

QG_BEGIN_AVX2
#include "kernels/dot_peak/generic.h"
QG_END_AVX2

namespace qg {
static const Register registered(dot_peak_variants, Isa::avx2, &avx2::kVariant);
}  // namespace qg

#endif
