#include "simd/avx512vnni.h"
#include "kernels/dequantize/dequantize.h"

#ifdef QG_HAVE_AVX512VNNI

QG_BEGIN_AVX512VNNI
#include "kernels/dequantize/generic.h"
QG_END_AVX512VNNI

namespace qg {
static const Register registered(dequantize_variants, Isa::avx512vnni, &avx512vnni::kVariant);
}  // namespace qg

#endif
