#include "simd/scalar.h"
#include "kernels/softmax_f32/softmax_f32.h"

QG_BEGIN_SCALAR
#include "kernels/softmax_f32/generic.h"

const Register registered(softmax_f32_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
