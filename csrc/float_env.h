// The contract of numbers needs IEEE defaults; a caller's thread may not have them.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace qg {

// Round to nearest even, denormals kept, for the lifetime of the object. Libraries linked with
// -ffast-math flush denormals in the whole process, and others change the rounding mode.
class FloatEnvironment {
 public:
#if defined(__x86_64__)
  FloatEnvironment() : saved_(_mm_getcsr()) {
    if (saved_ & kChanging) _mm_setcsr(saved_ & ~kChanging);
  }
  ~FloatEnvironment() {
    if (saved_ & kChanging) _mm_setcsr(saved_);
  }

 private:
  static constexpr uint32_t kChanging =
      0xE040;  // flush to zero, rounding control, denormals are zero
  uint32_t saved_;
#elif defined(__aarch64__)
  FloatEnvironment() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    if (saved_ & kChanging) write(saved_ & ~kChanging);
  }
  ~FloatEnvironment() {
    if (saved_ & kChanging) write(saved_);
  }

 private:
  static void write(uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
  static constexpr uint64_t kChanging = 0x3C00000;  // default NaN, flush to zero, rounding mode
  uint64_t saved_;
#else
  FloatEnvironment() {}
#endif

 public:
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;
};

}  // namespace qg
