// NumPy arrays in blocks that are kept for the next use (NEP 49: an array's memory handler).

#include "array_memory.h"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>

#include "blocks.h"

namespace qg {

namespace py = pybind11;

namespace {

// As numpy/ndarraytypes.h declares them, version 1.
struct Allocator {
  void* context;
  void* (*allocate)(void*, size_t);
  void* (*zeroed)(void*, size_t, size_t);
  void* (*resize)(void*, void*, size_t);
  void (*release)(void*, void*, size_t);
};

struct Handler {
  char name[127];
  uint8_t version;
  Allocator allocator;
};

void* allocate(void*, size_t bytes) {
  try {
    return take_block(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void* zeroed(void* context, size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  void* block = allocate(context, count * size);
  if (block != nullptr) std::memset(block, 0, count * size);
  return block;
}

void release(void*, void* block, size_t) { return_block(block); }

void* resize(void* context, void* block, size_t bytes) {
  void* larger = allocate(context, bytes);
  if (larger == nullptr || block == nullptr) return larger;
  std::memcpy(larger, block, std::min(bytes, block_size(block)));
  return_block(block);
  return larger;
}

Handler handler = {"qgrad_blocks", 1, {nullptr, &allocate, &zeroed, &resize, &release}};

using SetHandler = PyObject* (*)(PyObject*);
constexpr size_t kSetHandler = 304;  // its place in NumPy's table of functions, since 1.22

// NumPy's PyDataMem_SetHandler, and our handler as it takes it; null without them.
SetHandler set_handler = nullptr;
PyObject* capsule = nullptr;

}  // namespace

BlockArrays::BlockArrays(size_t bytes) {
  if (set_handler == nullptr || bytes < kSmallestBlock) return;
  before_ = set_handler(capsule);
  if (before_ == nullptr) throw py::error_already_set();
}

BlockArrays::~BlockArrays() {
  if (before_ == nullptr) return;
  Py_XDECREF(set_handler(before_));
  Py_DECREF(before_);
}

void bind_array_memory(py::module_& m) {
  const py::object table = py::module_::import("numpy._core._multiarray_umath").attr("_ARRAY_API");
  void** functions = static_cast<void**>(PyCapsule_GetPointer(table.ptr(), nullptr));
  capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
  if (functions == nullptr || capsule == nullptr) throw py::error_already_set();
  set_handler = reinterpret_cast<SetHandler>(functions[kSetHandler]);
  m.def("unused_bytes", &unused_bytes);
  m.def("drop_unused_blocks", &drop_unused_blocks);
}

}  // namespace qg
