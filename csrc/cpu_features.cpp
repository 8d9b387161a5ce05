#include "cpu_features.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace qg {

std::vector<const char*> cpu_features() {
  std::vector<const char*> names;
  [[maybe_unused]] const auto add = [&](bool has, const char* name) {
    if (has) names.push_back(name);
  };
#if defined(__x86_64__)
  add(QG_CPU_HAS("sse4.2"), "sse4.2");
  add(QG_CPU_HAS("avx"), "avx");
  add(QG_CPU_HAS("avx2"), "avx2");
  add(QG_CPU_HAS("fma"), "fma");
  add(QG_CPU_HAS("avx512f"), "avx512f");
  add(QG_CPU_HAS("avx512bw"), "avx512bw");
  add(QG_CPU_HAS("avx512vnni"), "avx512vnni");
  add(QG_CPU_HAS("avx512vbmi"), "avx512vbmi");
#elif defined(__aarch64__) && defined(__linux__)
  add((getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0, "asimd");
  add((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0, "asimddp");
  add((getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0, "i8mm");
#endif
  return names;
}

}  // namespace qg
