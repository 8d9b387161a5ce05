#include "simd/scalar.h"
#include "kernels/quantize/quantize.h"

QG_BEGIN_SCALAR
#include "kernels/quantize/generic.h"

const Register registered(quantize_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
