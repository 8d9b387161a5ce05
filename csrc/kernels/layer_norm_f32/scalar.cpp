#include "simd/scalar.h"
#include "kernels/layer_norm_f32/layer_norm_f32.h"

QG_BEGIN_SCALAR
#include "kernels/layer_norm_f32/generic.h"

const Register registered(layer_norm_f32_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
