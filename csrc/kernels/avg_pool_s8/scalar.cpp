#include "simd/scalar.h"
#include "kernels/avg_pool_s8/avg_pool_s8.h"

QG_BEGIN_SCALAR
#include "kernels/avg_pool_s8/generic.h"

const Register registered(avg_pool_s8_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
