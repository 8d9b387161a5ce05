// Memory for intermediate values, kept between runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "aligned.h"

namespace qg {

class Arena {
 public:
  Arena() = default;
  explicit Arena(size_t bytes)
      : bytes_(bytes),
        data_(static_cast<uint8_t*>(::operator new(bytes, std::align_val_t(kAlignment)))) {}

  uint8_t* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const { ::operator delete(p, std::align_val_t(kAlignment)); }
  };
  size_t bytes_ = 0;
  std::unique_ptr<uint8_t, Free> data_;
};

// Hands out arenas to runs that may overlap in time, and keeps one that came back for the next run.
class ArenaPool {
 public:
  Arena take(size_t bytes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (kept_.bytes() >= bytes) return std::exchange(kept_, Arena());
    }
    return Arena(bytes);
  }

  void give(Arena arena) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (arena.bytes() > kept_.bytes()) std::swap(arena, kept_);
  }

 private:
  std::mutex mutex_;
  Arena kept_;
};

}  // namespace qg
