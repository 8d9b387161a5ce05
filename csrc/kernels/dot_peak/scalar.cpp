#include "kernels/dot_peak/dot_peak.h"
#include "simd/scalar.h"

QG_BEGIN_SCALAR
#include "kernels/dot_peak/generic.h"

const Register registered(dot_peak_variants, Isa::scalar, &kVariant);
QG_END_SCALAR
