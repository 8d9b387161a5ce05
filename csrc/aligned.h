// Memory that starts on a cache line.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#include "blocks.h"

namespace qg {

template <class T>
struct AlignedAllocator {
  using value_type = T;

  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}

  T* allocate(size_t n) {
    if (n > static_cast<size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(take_block(n * sizeof(T)));
  }
  // Elements made without a value are left as the memory was: what is resized is written next.
  template <class U>
  void construct(U* p) {
    ::new (static_cast<void*>(p)) U;
  }

  void deallocate(T* p, size_t) { return_block(p); }

  bool operator==(const AlignedAllocator&) const { return true; }
  bool operator!=(const AlignedAllocator&) const { return false; }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

}  // namespace qg
