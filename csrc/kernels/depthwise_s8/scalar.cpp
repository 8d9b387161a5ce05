#include "simd/scalar.h"
#include "kernels/depthwise_s8/variant.h"

QG_BEGIN_SCALAR
#include "kernels/depthwise_s8/generic.h"

const Register registered(depthwise_s8_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
