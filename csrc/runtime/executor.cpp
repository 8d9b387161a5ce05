#include "runtime/executor.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "float_env.h"

namespace qg {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollInterval(50);

}  // namespace

ptrdiff_t Executor::add_place(PlaceKind kind, size_t offset, size_t bytes) {
  if (kind == PlaceKind::arena) {
    if (offset > SIZE_MAX / 4 || bytes > SIZE_MAX / 4)
      throw std::invalid_argument("executor: arena size");
    arena_end_ = std::max(arena_end_, offset + bytes);
  } else {
    std::vector<size_t>& sizes = kind == PlaceKind::input ? inputs_ : outputs_;
    if (kind == PlaceKind::constant || offset != sizes.size()) {
      throw std::invalid_argument("executor: inputs and outputs are added in order");
    }
    sizes.push_back(bytes);
  }
  places_.push_back({kind, offset, bytes, nullptr});
  return static_cast<ptrdiff_t>(places_.size()) - 1;
}

ptrdiff_t Executor::add_constant(const uint8_t* data, size_t bytes) {
  places_.push_back({PlaceKind::constant, 0, bytes, data});
  return static_cast<ptrdiff_t>(places_.size()) - 1;
}

void Executor::add_step(StepFunction step, size_t scratch_bytes) {
  steps_.push_back(std::move(step));
  scratch_bytes_ = std::max(scratch_bytes_, scratch_bytes);
}

ptrdiff_t Executor::checked(ptrdiff_t place, size_t bytes, bool write) const {
  if (place < 0 || place >= static_cast<ptrdiff_t>(places_.size())) {
    throw std::invalid_argument("executor: there is no such place");
  }
  const Place& p = places_[static_cast<size_t>(place)];
  if (bytes > p.bytes)
    throw std::invalid_argument("executor: a step needs more bytes than its place has");
  if (write && (p.kind == PlaceKind::constant || p.kind == PlaceKind::input)) {
    throw std::invalid_argument("executor: a step writes to memory that is not its own");
  }
  return place;
}

ptrdiff_t Executor::run(const uint8_t* const* inputs, uint8_t* const* outputs,
                        const std::function<bool()>& interrupted) const {
  const FloatEnvironment defaults;
  Arena arena = pool_->take(arena_bytes());
  // Steps get one table of writable addresses; `checked` made sure that none writes to inputs or
  // constants.
  std::vector<uint8_t*> at;
  at.reserve(places_.size());
  for (const Place& place : places_) {
    switch (place.kind) {
      case PlaceKind::input:
        at.push_back(const_cast<uint8_t*>(inputs[place.offset]));
        break;
      case PlaceKind::output:
        at.push_back(outputs[place.offset]);
        break;
      case PlaceKind::arena:
        at.push_back(arena.data() + place.offset);
        break;
      case PlaceKind::constant:
        at.push_back(const_cast<uint8_t*>(place.constant));
        break;
    }
  }
  uint8_t* const scratch = arena.data() + scratch_offset();
  ptrdiff_t result = -1;
  Clock::time_point next_poll = Clock::now() + kPollInterval;
  for (size_t i = 0; i < steps_.size() && result == -1; ++i) {
    if (!steps_[i](at.data(), scratch)) result = static_cast<ptrdiff_t>(i);
    if (Clock::now() < next_poll) continue;
    if (result == -1 && interrupted()) result = -2;
    next_poll = Clock::now() + kPollInterval;
  }
  pool_->give(std::move(arena));
  return result;
}

}  // namespace qg
