// From a kernel to its variant for the active instruction set.
#pragma once

#include "isa.h"

namespace qg {

// One per kernel. `Variant` is what an ISA file provides: a struct of function pointers and
// constants. The array is constant-initialised, so ISA files may register during static
// initialisation in any order.
template <class Variant>
class Dispatch {
 public:
  constexpr Dispatch() = default;

  void add(Isa isa, const Variant* variant) { variants_[static_cast<int32_t>(isa)] = variant; }

  // The variant for the active set, or the next slower one that exists and that this CPU can run.
  // The scalar file of a kernel is not optional, so there always is one.
  const Variant& get() const {
    int32_t index = static_cast<int32_t>(active_isa());
    while (index > 0 && !runs(static_cast<Isa>(index))) --index;
    return *variants_[index];
  }

  bool has(Isa isa) const { return variants_[static_cast<int32_t>(isa)] != nullptr; }

 private:
  bool runs(Isa isa) const { return has(isa) && isa_usable(isa); }

  const Variant* variants_[kIsaCount] = {};
};

// What an ISA file ends with, outside of its target region: `const Register r(gemm_s8, Isa::avx2,
// &variant);`
template <class Variant>
struct Register {
  Register(Dispatch<Variant>& kernel, Isa isa, const Variant* variant) { kernel.add(isa, variant); }
};

}  // namespace qg
