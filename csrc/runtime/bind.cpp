#include <string>

#include "runtime/steps.h"

namespace qg {
namespace {

// Runs inside a call that released the interpreter.
bool interrupted() {
  const py::gil_scoped_acquire locked;
  return PyErr_CheckSignals() != 0;
}

uint8_t* memory(const py::handle& object, size_t bytes, bool write) {
  require(py::isinstance<py::array>(object), "arrays");
  const auto array = py::reinterpret_borrow<py::array>(object);
  require((array.flags() & py::array::c_style) != 0 &&
              static_cast<size_t>(array.nbytes()) == bytes && (!write || array.writeable()),
          "contiguous arrays of the planned sizes");
  const auto* data = static_cast<const uint8_t*>(array.data());
  require(reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(array.itemsize()) == 0,
          "aligned arrays");
  return const_cast<uint8_t*>(data);
}

ptrdiff_t run(const Executor& executor, const py::sequence& inputs, const py::sequence& outputs) {
  require(inputs.size() == executor.input_count() && outputs.size() == executor.output_count(),
          "as many arrays as planned");
  std::vector<const uint8_t*> from;
  std::vector<uint8_t*> to;
  for (size_t i = 0; i < inputs.size(); ++i) {
    from.push_back(memory(inputs[i], executor.input_bytes(i), false));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    to.push_back(memory(outputs[i], executor.output_bytes(i), true));
  }
  ptrdiff_t failed = -1;
  {
    const py::gil_scoped_release unlocked;
    failed = executor.run(from.data(), to.data(), interrupted);
  }
  if (failed == -2) throw py::error_already_set();
  return failed;
}

ptrdiff_t add_place(Executor& executor, const std::string& kind, size_t offset, size_t bytes) {
  if (kind == "input") return executor.add_place(PlaceKind::input, offset, bytes);
  if (kind == "output") return executor.add_place(PlaceKind::output, offset, bytes);
  require(kind == "arena", "input, output or arena");
  return executor.add_place(PlaceKind::arena, offset, bytes);
}

ptrdiff_t add_constant(Executor& executor, const py::array& array) {
  require((array.flags() & py::array::c_style) != 0, "a contiguous constant");
  return executor.add_constant(static_cast<const uint8_t*>(array.data()),
                               static_cast<size_t>(array.nbytes()));
}

}  // namespace

size_t checked_bytes(std::initializer_list<ptrdiff_t> sizes) {
  size_t product = 1;
  for (const ptrdiff_t size : sizes) {
    require(size >= 0, "sizes that are not negative");
    const bool overflow = __builtin_mul_overflow(product, static_cast<size_t>(size), &product);
    require(!overflow && product <= SIZE_MAX / 4, "sizes whose product fits in memory");
  }
  return product;
}

void bind_runtime(py::module_& m) {
  py::class_<ArenaPool, std::shared_ptr<ArenaPool>>(m, "ArenaPool").def(py::init<>());
  ExecutorClass executor(m, "Executor");
  executor.def(py::init<std::shared_ptr<ArenaPool>>(), py::arg("pool"))
      .def("place", &add_place, py::arg("kind"), py::arg("offset"), py::arg("bytes"))
      .def("constant", &add_constant, py::arg("array").noconvert(), py::keep_alive<1, 2>())
      .def("run", &run, py::arg("inputs"), py::arg("outputs"))
      .def_property_readonly("arena_bytes", &Executor::arena_bytes);
  bind_integer_steps(m, executor);
  bind_float_steps(m, executor);
  bind_movement_steps(executor);
}

}  // namespace qg
