// Connects the fast paths with the Python classes that they work on.

#include <string>

#include "autograd/door.h"
#include "autograd/slots.h"

namespace qg::autograd {

namespace {

Slot slot_of(py::handle type, const char* name) {
  const py::object descriptor = type.attr(name);
  if (Py_TYPE(descriptor.ptr()) != &PyMemberDescr_Type) {
    throw py::type_error(std::string("door: ") + name + " is no slot");
  }
  return {reinterpret_cast<PyMemberDescrObject*>(descriptor.ptr())->d_member->offset};
}

PyTypeObject* as_type(const py::dict& given, const char* name) {
  return reinterpret_cast<PyTypeObject*>(py::object(given[name]).release().ptr());
}

PyObject* as_object(const py::dict& given, const char* name) {
  return py::object(given[name]).release().ptr();
}

// Takes what the fast paths need from Python; until then every call takes the Python path.
void connect(const py::dict& given) {
  Python& p = python;
  p.array = as_type(given, "array");
  p.tensor = as_type(given, "tensor");
  p.variable = as_type(given, "variable");
  p.node = as_type(given, "node");
  p.plan = as_type(given, "plan");
  p.op = as_type(given, "op");
  p.handlers = as_object(given, "handlers");
  p.tensor_handler = as_object(given, "tensor_handler");
  p.compute = as_object(given, "compute");
  p.explain = as_object(given, "explain");
  p.record = as_object(given, "record");
  p.shape_of = as_object(given, "shape_of");
  p.silence = as_object(given, "silence");
  p.restore = as_object(given, "restore");
  p.quiet = as_object(given, "quiet");
  p.recording = as_object(given, "recording");
  p.inference = as_object(given, "inference");
  p.next_order = as_object(given, "next_order");
  p.asarray = as_object(given, "asarray");
  p.heappush = as_object(given, "heappush");
  p.heappop = as_object(given, "heappop");
  p.run_node = as_object(given, "run_node");
  p.plus = as_object(given, "plus");
  const py::handle variable = reinterpret_cast<PyObject*>(p.variable);
  p.variable_slots = {slot_of(variable, "_data"),         slot_of(variable, "_node"),
                      slot_of(variable, "_cell"),         slot_of(variable, "_hooks"),
                      slot_of(variable, "_view"),         slot_of(variable, "_grad"),
                      slot_of(variable, "_requires_grad")};
  const py::handle node = reinterpret_cast<PyObject*>(p.node);
  p.node_slots = {slot_of(node, "op"),    slot_of(node, "plan"),     slot_of(node, "edges"),
                  slot_of(node, "saved"), slot_of(node, "versions"), slot_of(node, "cell"),
                  slot_of(node, "shape"), slot_of(node, "dtype"),    slot_of(node, "order"),
                  slot_of(node, "hooks")};
  const py::handle plan = reinterpret_cast<PyObject*>(p.plan);
  p.plan_slots = {
      slot_of(plan, "frees"),        slot_of(plan, "holds"),      slot_of(plan, "keep"),
      slot_of(plan, "keeps_extras"), slot_of(plan, "keeps_more"), slot_of(plan, "keeps_output"),
      slot_of(plan, "rules"),        slot_of(plan, "shapes"),     slot_of(plan, "targets")};
  const py::handle op = reinterpret_cast<PyObject*>(p.op);
  p.op_slots = {slot_of(op, "arity"),    slot_of(op, "broadcasts"), slot_of(op, "defaults"),
                slot_of(op, "floating"), slot_of(op, "forward"),    slot_of(op, "plans"),
                slot_of(op, "required"), slot_of(op, "rules"),      slot_of(op, "saves"),
                slot_of(op, "view")};
#ifndef Py_GIL_DISABLED  // the fast paths borrow from lists and dicts that the GIL keeps still
  p.ready = true;
#endif
}

// Makes the door of a class of ops: `__call__` here first, `call` for what is not usual.
void install(py::handle type, const py::object& call) {
  python.call = py::object(call).release().ptr();
  PyObject* descriptor =
      PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), &call_definition);
  if (descriptor == nullptr) throw py::error_already_set();
  type.attr("__call__") = py::reinterpret_steal<py::object>(descriptor);
}

// A function that calls `op`, without the steps that Python takes to a `__call__`.
py::object caller(const py::object& op) {
  PyObject* function = PyCFunction_New(&call_definition, op.ptr());
  if (function == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(function);
}

}  // namespace

}  // namespace qg::autograd

namespace qg {

void bind_autograd(pybind11::module_& m) {
  namespace py = pybind11;
  using autograd::python;
  m.def("door_install", &autograd::install, py::arg("type"), py::arg("call"));
  m.def("door_connect", &autograd::connect, py::arg("given"));
  m.def("door_caller", &autograd::caller, py::arg("op"));
  m.def(
      "door_noting", [](bool noting) { python.noting = noting; }, py::arg("noting"));
  m.def(
      "door_enabled",
      [](bool enabled) {
        const bool before = python.enabled;
        python.enabled = enabled;
        return before;
      },
      py::arg("enabled"));
  m.def(
      "flow",
      [](const py::object& state, bool retain_graph) {
        if (!python.ready || !python.enabled) return false;
        PyObject* done = autograd::flow(state.ptr(), retain_graph);
        if (done == nullptr) throw py::error_already_set();
        Py_DECREF(done);
        return true;
      },
      py::arg("state"), py::arg("retain_graph"));
}

}  // namespace qg
