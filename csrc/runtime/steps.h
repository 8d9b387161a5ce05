// How steps get into an executor: each file of steps adds its methods to the Python class.
#pragma once

#include <memory>

#include "bind.h"
#include "runtime/executor.h"

namespace qg {

using ExecutorClass = py::class_<Executor, std::shared_ptr<Executor>>;

void bind_integer_steps(py::module_& m, ExecutorClass& executor);
void bind_float_steps(py::module_& m, ExecutorClass& executor);
void bind_movement_steps(ExecutorClass& executor);

// Bytes of a product of sizes, none negative; throws if it does not fit.
size_t checked_bytes(std::initializer_list<ptrdiff_t> sizes);

inline float* floats(uint8_t* p) { return reinterpret_cast<float*>(p); }

}  // namespace qg
