#include "simd/scalar.h"
#include "kernels/max_pool_s8/max_pool_s8.h"

QG_BEGIN_SCALAR
#include "kernels/max_pool_s8/generic.h"

const Register registered(max_pool_s8_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
