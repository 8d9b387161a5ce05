// Which instruction set runs: what the CPU offers, unless QGRAD_ISA or set_isa says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qg {

enum class Isa : int32_t {
#define QG_ISA(name, usable) name,
#include "isa.def"
#undef QG_ISA
};

constexpr int32_t kIsaCount = 0
#define QG_ISA(name, usable) +1
#include "isa.def"
#undef QG_ISA
    ;

const char* isa_name(Isa isa);

// Whether this CPU (and its operating system) can run the set.
bool isa_usable(Isa isa);

// The set that kernels use now: the best usable one until set_isa is called.
Isa active_isa();

// The caller has checked isa_usable(isa).
void set_active_isa(Isa isa);

}  // namespace qg
