// What the CPU and its operating system offer.
#pragma once

#include <vector>

#if defined(__x86_64__)
#define QG_CPU_HAS(feature) (__builtin_cpu_supports(feature) != 0)
#else
#define QG_CPU_HAS(feature) false
#endif

namespace qg {

// The features that matter to kernels, whether or not a kernel uses them yet.
std::vector<const char*> cpu_features();

}  // namespace qg
