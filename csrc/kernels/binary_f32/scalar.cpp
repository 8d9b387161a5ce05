#include "simd/scalar.h"
#include "kernels/binary_f32/binary_f32.h"

QG_BEGIN_SCALAR
#include "kernels/binary_f32/generic.h"

const Register registered(binary_f32_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
