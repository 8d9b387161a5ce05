#include "simd/avx512vnni.h"
#include "kernels/dot_peak/dot_peak.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI
#include "kernels/dot_peak/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(dot_peak_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
