#include "simd/scalar.h"
#include "kernels/dot_peak/dot_peak.h"

QG_BEGIN_SCALAR
#include "kernels/dot_peak/generic.h"

const Register registered(dot_peak_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
