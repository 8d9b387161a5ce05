// The extension module qgrad._core: one bind call per kernel folder, and the choice of instruction
// set.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "cpu_features.h"
#include "isa.h"
#include "parallel.h"

namespace qg {

namespace py = pybind11;

#define QG_KERNEL(name) void bind_##name(py::module_& m);
#include "kernels/kernels.def"
#undef QG_KERNEL
void bind_array_memory(py::module_& m);
void bind_autograd(py::module_& m);
void bind_buffer_exporter(py::module_& m);
void bind_runtime(py::module_& m);

namespace {

py::list usable_isas() {
  py::list names;
  for (int32_t i = 0; i < kIsaCount; ++i) {
    if (isa_usable(static_cast<Isa>(i))) names.append(isa_name(static_cast<Isa>(i)));
  }
  return names;
}

py::list known_isas() {
  py::list names;
  for (int32_t i = 0; i < kIsaCount; ++i) names.append(isa_name(static_cast<Isa>(i)));
  return names;
}

void set_isa(const std::string& name) {
  for (int32_t i = 0; i < kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (name == isa_name(isa) && isa_usable(isa)) return set_active_isa(isa);
  }
  throw py::value_error("set_isa: this CPU has no instruction set '" + name + "'");
}

void set_threads(int32_t count) {
  if (count < 1) throw py::value_error("set_thread_count: at least one thread");
  set_thread_count(count);
}

}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.def("isa", [] { return isa_name(active_isa()); });
  m.def("set_isa", &set_isa, py::arg("name"));
  m.def("cpu_features", &cpu_features);
  m.def("known_isas", &known_isas);
  m.def("usable_isas", &usable_isas);
  m.def("thread_count", &thread_count);
  m.def("set_thread_count", &set_threads, py::arg("count"));
#define QG_KERNEL(name) bind_##name(m);
#include "kernels/kernels.def"
#undef QG_KERNEL
  bind_array_memory(m);
  bind_autograd(m);
  bind_buffer_exporter(m);
  bind_runtime(m);
}

}  // namespace qg
