// Work shared among threads: parallel_for(count, grain, use) calls use(begin, end) for ranges that
// cover [0, count).
//
// Ranges are whole items, so a kernel that computes every item by itself gives the same bits for
// any number of threads. Threads are started by the first call that needs them. They spin for a
// moment after some work and sleep otherwise; the caller works too, finishes what nobody has begun,
// and so never waits for a thread that does not run. A call from inside a range, or while another
// thread's call is under way, runs alone. A forked child starts threads of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace qg {

// How many threads a call may use, the caller among them.
int32_t thread_count();
void set_thread_count(int32_t count);  // >= 1

using RangeFunction = void (*)(const void* context, ptrdiff_t begin, ptrdiff_t end);

// Ranges of `chunk` items, in any order and at the same time. The first exception is thrown again.
void run_ranges(ptrdiff_t count, ptrdiff_t chunk, RangeFunction function, const void* context);

// `grain` items are worth waking a thread for (about 30 microseconds of work).
template <class Use>
void parallel_for(ptrdiff_t count, ptrdiff_t grain, const Use& use) {
  if (count <= 0) return;
  const ptrdiff_t threads = thread_count();
  if (threads == 1 || count < 2 * grain) return use(ptrdiff_t{0}, count);
  // More ranges than threads, so that one that is held up keeps nobody waiting for long.
  const ptrdiff_t ranges = std::min(count / grain, 4 * threads);
  run_ranges(
      count, (count + ranges - 1) / ranges,
      [](const void* context, ptrdiff_t begin, ptrdiff_t end) {
        (*static_cast<const Use*>(context))(begin, end);
      },
      &use);
}

// Elements that are worth waking a thread for: where a function of each is computed, and where
// memory is the limit.
constexpr ptrdiff_t kComputedElements = 1 << 14;
constexpr ptrdiff_t kMovedElements = 1 << 16;

// The same for neighbouring elements of arrays: ranges start on cache lines.
template <class Use>
void parallel_elements(ptrdiff_t count, ptrdiff_t grain, const Use& use) {
  constexpr ptrdiff_t kLine = 64;
  parallel_for(
      (count + kLine - 1) / kLine, std::max<ptrdiff_t>(1, grain / kLine),
      [&](ptrdiff_t begin, ptrdiff_t end) { use(begin * kLine, std::min(count, end * kLine)); });
}

}  // namespace qg
