#include "simd/scalar.h"
#include "kernels/reduce_f32/reduce_f32.h"

QG_BEGIN_SCALAR
#include "kernels/reduce_f32/generic.h"

const Register registered(reduce_f32_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
