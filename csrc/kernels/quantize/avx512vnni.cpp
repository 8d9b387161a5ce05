#include "simd/avx512vnni.h"
#include "kernels/quantize/quantize.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI
#include "kernels/quantize/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(quantize_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
