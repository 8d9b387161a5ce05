#include "simd/scalar.h"
#include "kernels/add_s8/add_s8.h"

QG_BEGIN_SCALAR
#include "kernels/add_s8/generic.h"

const Register registered(add_s8_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
