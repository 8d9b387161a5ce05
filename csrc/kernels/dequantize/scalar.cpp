#include "simd/scalar.h"
#include "kernels/dequantize/dequantize.h"

QG_BEGIN_SCALAR
#include "kernels/dequantize/generic.h"

const Register registered(dequantize_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
