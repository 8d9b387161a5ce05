// Arrays whose memory is kept for the next use.
#pragma once

#include <Python.h>

#include <cstddef>

namespace qg {

// While it lives, arrays that this thread makes get their memory from blocks.h, if they need as
// much as `bytes` and that is much.
class BlockArrays {
 public:
  explicit BlockArrays(size_t bytes);
  BlockArrays(const BlockArrays&) = delete;
  BlockArrays& operator=(const BlockArrays&) = delete;
  ~BlockArrays();

 private:
  PyObject* before_ = nullptr;
};

}  // namespace qg
