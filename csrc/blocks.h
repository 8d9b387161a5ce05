// Large blocks of memory, kept for the next use.
//
// A training step asks for the same sizes again and again. What goes back to the system comes again
// as zeroed pages, one fault each: a tenth of a step on two threads.
#pragma once

#include <cstddef>

namespace qg {

constexpr size_t kAlignment = 64;

// Smaller requests go to the system's allocator as they are.
constexpr size_t kSmallestBlock = 32 * 1024;

// At most so many bytes lie unused.
constexpr size_t kMostUnused = 128 * 1024 * 1024;

// Memory that starts on a cache line; throws std::bad_alloc. From any thread.
void* take_block(size_t bytes);

// Gives back what take_block gave; null is ignored.
void return_block(void* block) noexcept;

// How many bytes the block has, at least what was asked for.
size_t block_size(const void* block);

// Bytes that lie unused now.
size_t unused_bytes();

// Gives all unused blocks to the system.
void drop_unused_blocks() noexcept;

}  // namespace qg
