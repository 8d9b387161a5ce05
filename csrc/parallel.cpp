#include "parallel.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "float_env.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#define QG_POSIX 1
#endif

namespace qg {
namespace {

using Clock = std::chrono::steady_clock;
// To wake a thread takes longer than many a kernel. Between the kernels of a training step there is
// less than this; who has more threads than CPUs must not spin.
constexpr auto kWorkerSpin = std::chrono::microseconds(2000);
constexpr auto kCallerSpin = std::chrono::microseconds(1000);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Condition>
bool spin(std::chrono::microseconds limit, const Condition& holds) {
  static const uint32_t cpus = std::thread::hardware_concurrency();  // 0: not known
  if (cpus != 0 && static_cast<uint32_t>(thread_count()) > cpus) return holds();
  const Clock::time_point end = Clock::now() + limit;
  do {
    for (int i = 0; i < 32; ++i) {
      if (holds()) return true;
      pause();
    }
  } while (Clock::now() < end);
  return holds();
}

// Signals are for the interpreter's threads: a worker starts with all of them blocked.
class SignalsBlocked {
 public:
#ifdef QG_POSIX
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#endif
};

struct Job {
  RangeFunction function = nullptr;
  const void* context = nullptr;
  ptrdiff_t count = 0, chunk = 1;
};

thread_local bool inside = false;  // a range: what it calls runs alone

class Pool {
 public:
  // False if another call is under way.
  bool run(const Job& job, int32_t helpers) {
    const std::unique_lock<std::mutex> mine(caller_, std::try_to_lock);
    if (!mine.owns_lock()) return false;
    start(helpers);
    {
      const std::lock_guard<std::mutex> lock(state_);
      job_ = job;
      failure_ = nullptr;
      next_.store(0, std::memory_order_relaxed);
      places_ = helpers_ = helpers;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    take_ranges();
    {
      const std::lock_guard<std::mutex> lock(state_);
      places_ = 0;  // who has not begun need not
    }
    const auto idle = [&] { return active_.load(std::memory_order_acquire) == 0; };
    if (!spin(kCallerSpin, idle)) {
      std::unique_lock<std::mutex> lock(state_);
      done_.wait(lock, idle);
    }
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    return true;
  }

 private:
  void start(int32_t helpers) {
    const SignalsBlocked blocked;
    while (started_ < helpers) {
      try {
        std::thread([this, place = started_] { work(place); }).detach();
      } catch (const std::system_error&) {
        return;  // no more threads here: the caller does the work
      }
      ++started_;
    }
  }

  // `place` is how many workers were there before this one.
  void work(int32_t place) {
    const FloatEnvironment defaults;
    uint64_t seen = 0;
    bool warm = false;
    for (;;) {
      const auto news = [&] { return generation_.load(std::memory_order_acquire) != seen; };
      if (!warm || !spin(kWorkerSpin, news)) {
        std::unique_lock<std::mutex> lock(state_);
        wake_.wait(lock, news);
      }
      {
        const std::lock_guard<std::mutex> lock(state_);
        seen = generation_.load(std::memory_order_relaxed);
        // Who comes too late waits awake for the next call: it would be late for that too.
        warm = place < helpers_;
        if (places_ == 0) continue;
        --places_;
        active_.fetch_add(1, std::memory_order_relaxed);
      }
      take_ranges();
      const std::lock_guard<std::mutex> lock(state_);
      if (active_.fetch_sub(1, std::memory_order_release) == 1) done_.notify_all();
    }
  }

  void take_ranges() {
    inside = true;
    const ptrdiff_t ranges = (job_.count + job_.chunk - 1) / job_.chunk;
    for (;;) {
      const ptrdiff_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= ranges) break;
      try {
        job_.function(job_.context, i * job_.chunk, std::min(job_.count, (i + 1) * job_.chunk));
      } catch (...) {
        const std::lock_guard<std::mutex> lock(state_);
        if (failure_ == nullptr) failure_ = std::current_exception();
        next_.store(ranges, std::memory_order_relaxed);
      }
    }
    inside = false;
  }

  std::mutex caller_;  // held by the one call that is under way
  int32_t started_ = 0;

  std::mutex state_;  // guards what follows; the job changes only while no range is taken
  std::condition_variable wake_, done_;
  Job job_;
  std::exception_ptr failure_;
  int32_t places_ = 0;   // how many workers may still join the job
  int32_t helpers_ = 0;  // how many it asked for
  std::atomic<uint64_t> generation_{0};
  std::atomic<int32_t> active_{0};
  std::atomic<ptrdiff_t> next_{0};
};

std::atomic<int32_t> threads{1};

// Never destroyed: workers may outlive the interpreter.
std::atomic<Pool*> pool{nullptr};

void new_pool() { pool.store(new Pool); }

Pool& the_pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    new_pool();
#ifdef QG_POSIX
    pthread_atfork(nullptr, nullptr, new_pool);  // the child has none of the parent's workers
#endif
  });
  return *pool.load();
}

}  // namespace

int32_t thread_count() { return threads.load(std::memory_order_relaxed); }

void set_thread_count(int32_t count) { threads.store(count, std::memory_order_relaxed); }

void run_ranges(ptrdiff_t count, ptrdiff_t chunk, RangeFunction function, const void* context) {
  const int32_t helpers = thread_count() - 1;
  if (inside || helpers < 1 || !the_pool().run({function, context, count, chunk}, helpers)) {
    function(context, 0, count);
  }
}

}  // namespace qg
