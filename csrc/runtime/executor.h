// A planned program: steps over memory places, run by one call without Python.
//
// qgrad/program/lowering.py builds it, once for each combination of input shapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/arena.h"

namespace qg {

// The address of every place in this run.
using Addresses = uint8_t* const*;

// False if the data of this call cannot be computed: NaN where codes are made, an index outside a
// table.
using StepFunction = std::function<bool(Addresses at, uint8_t* scratch)>;

// A place has an address in each run and a number, from 0, by which steps know it.
enum class PlaceKind : int32_t { input, output, arena, constant };

class Executor {
 public:
  explicit Executor(std::shared_ptr<ArenaPool> pool) : pool_(std::move(pool)) {}

  // `offset` counts inputs or outputs, or bytes in the arena. Returns the place's number.
  ptrdiff_t add_place(PlaceKind kind, size_t offset, size_t bytes);
  // The caller keeps the memory alive as long as the executor.
  ptrdiff_t add_constant(const uint8_t* data, size_t bytes);

  void add_step(StepFunction step, size_t scratch_bytes = 0);

  // `place`, after checking that it exists and that `bytes` fit in it; throws
  // std::invalid_argument.
  ptrdiff_t reading(ptrdiff_t place, size_t bytes) const { return checked(place, bytes, false); }
  ptrdiff_t writing(ptrdiff_t place, size_t bytes) const { return checked(place, bytes, true); }

  size_t input_bytes(size_t i) const { return inputs_[i]; }
  size_t output_bytes(size_t i) const { return outputs_[i]; }
  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }

  // Bytes taken from the pool for each run.
  size_t arena_bytes() const { return scratch_offset() + scratch_bytes_; }

  // Runs all steps; the number of the first that returned false, or -1. `interrupted` is asked now
  // and then whether to stop early, which returns -2. Thread-safe.
  ptrdiff_t run(const uint8_t* const* inputs, uint8_t* const* outputs,
                const std::function<bool()>& interrupted) const;

 private:
  struct Place {
    PlaceKind kind;
    size_t offset;
    size_t bytes;
    const uint8_t* constant;
  };

  ptrdiff_t checked(ptrdiff_t place, size_t bytes, bool write) const;
  size_t scratch_offset() const { return (arena_end_ + kAlignment - 1) / kAlignment * kAlignment; }

  std::shared_ptr<ArenaPool> pool_;
  std::vector<Place> places_;
  std::vector<size_t> inputs_, outputs_;
  std::vector<StepFunction> steps_;
  size_t arena_end_ = 0;
  size_t scratch_bytes_ = 0;
};

}  // namespace qg
