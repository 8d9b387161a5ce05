#include "blocks.h"

#include <array>
#include <cstdint>
#include <mutex>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define QG_HAS_FORK 1
#endif

namespace qg {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMostBlocks = 128;

// Lies before a block, on a cache line of its own.
struct alignas(kAlignment) Header {
  size_t bytes;
};

Header* header_of(const void* block) {
  return reinterpret_cast<Header*>(const_cast<char*>(static_cast<const char*>(block))) - 1;
}

void give_to_system(Header* header) noexcept {
  ::operator delete(header, std::align_val_t(kAlignment));
}

// The unused blocks, oldest first. One for the process, never destroyed: arrays outlive statics.
struct Unused {
  std::mutex mutex;
  std::array<Header*, kMostBlocks> blocks;
  size_t count = 0;
  size_t bytes = 0;

  Header* remove(size_t i) {
    Header* found = blocks[i];
    for (size_t next = i + 1; next < count; ++next) blocks[next - 1] = blocks[next];
    --count;
    bytes -= found->bytes;
    return found;
  }

  // The smallest block that holds `wanted` bytes without wasting more than a quarter; the newest
  // of those, whose lines may still be in a cache.
  Header* find(size_t wanted) {
    size_t best = count;
    for (size_t i = count; i-- > 0;) {
      const size_t size = blocks[i]->bytes;
      if (size < wanted || size - wanted > wanted / 4) continue;
      if (best == count || size < blocks[best]->bytes) best = i;
    }
    return best == count ? nullptr : remove(best);
  }

  void add(Header* header) {
    blocks[count++] = header;
    bytes += header->bytes;
  }
};

Unused& unused() {
  static Unused* const instance = [] {
    auto* made = new Unused;
#ifdef QG_HAS_FORK
    // The child must not find the lock in the hands of a thread that it does not have.
    pthread_atfork([] { unused().mutex.lock(); }, [] { unused().mutex.unlock(); },
                   [] { unused().mutex.unlock(); });
#endif
    return made;
  }();
  return *instance;
}

}  // namespace

void* take_block(size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  const size_t size = bytes < kSmallestBlock ? bytes : (bytes + kPage - 1) / kPage * kPage;
  if (size >= kSmallestBlock) {
    Unused& pool = unused();
    const std::lock_guard<std::mutex> lock(pool.mutex);
    if (Header* found = pool.find(size)) return found + 1;
  }
  void* memory = ::operator new(sizeof(Header) + size, std::align_val_t(kAlignment));
  return new (memory) Header{size} + 1;
}

void return_block(void* block) noexcept {
  if (block == nullptr) return;
  Header* header = header_of(block);
  if (header->bytes < kSmallestBlock || header->bytes > kMostUnused / 2) {
    return give_to_system(header);
  }
  Unused& pool = unused();
  while (true) {
    Header* oldest = nullptr;
    {
      const std::lock_guard<std::mutex> lock(pool.mutex);
      if (pool.count < kMostBlocks && pool.bytes + header->bytes <= kMostUnused) {
        return pool.add(header);
      }
      oldest = pool.remove(0);
    }
    give_to_system(oldest);
  }
}

size_t block_size(const void* block) { return header_of(block)->bytes; }

size_t unused_bytes() {
  Unused& pool = unused();
  const std::lock_guard<std::mutex> lock(pool.mutex);
  return pool.bytes;
}

void drop_unused_blocks() noexcept {
  Unused& pool = unused();
  const std::lock_guard<std::mutex> lock(pool.mutex);
  while (pool.count > 0) give_to_system(pool.remove(pool.count - 1));
}

}  // namespace qg
