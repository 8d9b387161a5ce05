#include "simd/scalar.h"
#include "kernels/batch_norm_f32/batch_norm_f32.h"

QG_BEGIN_SCALAR
#include "kernels/batch_norm_f32/generic.h"

const Register registered(batch_norm_f32_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
