#include <array>
#include <utility>

#include "kernels/gemm_s8/variant.h"
#include "simd/scalar.h"

QG_BEGIN_SCALAR
#include "kernels/gemm_s8/generic.h"

const Register registered(gemm_s8_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
