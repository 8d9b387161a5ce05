#include "isa.h"

#include <atomic>

#include "cpu_features.h"

namespace qg {
namespace {

constexpr const char* kNames[] = {
#define QG_ISA(name, usable) #name,
#include "isa.def"
#undef QG_ISA
};

constexpr int32_t kUndecided = -1;
std::atomic<int32_t> active{kUndecided};

}  // namespace

const char* isa_name(Isa isa) { return kNames[static_cast<int32_t>(isa)]; }

bool isa_usable(Isa isa) {
  switch (isa) {
#define QG_ISA(name, usable) \
  case Isa::name:            \
    return usable;
#include "isa.def"
#undef QG_ISA
  }
  return false;
}

Isa active_isa() {
  int32_t index = active.load(std::memory_order_relaxed);
  if (index == kUndecided) {
    // Every thread that races here computes the same answer.
    index = kIsaCount - 1;
    while (!isa_usable(static_cast<Isa>(index))) --index;
    int32_t expected = kUndecided;
    if (!active.compare_exchange_strong(expected, index)) index = expected;
  }
  return static_cast<Isa>(index);
}

void set_active_isa(Isa isa) { active.store(static_cast<int32_t>(isa), std::memory_order_relaxed); }

}  // namespace qg
