#include "simd/scalar.h"
#include "kernels/unary_f32/unary_f32.h"

QG_BEGIN_SCALAR
#include "kernels/unary_f32/generic.h"

const Register registered(unary_f32_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
