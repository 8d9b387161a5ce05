// The fields of the Python classes that a recorded operation touches, read and written in place.
//
// The classes are Python's (Variable, Node, Plan, Op), with __slots__. A slot is a pointer at an
// offset that its member descriptor tells, so one costs a load here, not a lookup.

#pragma once

#include <pybind11/numpy.h>
#include <structmember.h>

namespace qg::autograd {

namespace py = pybind11;

// Owns one reference, which may be null.
class Ref {
 public:
  explicit Ref(PyObject* object = nullptr) : object_(object) {}
  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  ~Ref() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  void reset(PyObject* object) {
    PyObject* before = object_;
    object_ = object;
    Py_XDECREF(before);
  }
  PyObject* release() {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_;
};

inline Ref borrowed(PyObject* object) {
  Py_XINCREF(object);
  return Ref(object);
}

// Where a slot lies in the instances of its class.
struct Slot {
  Py_ssize_t offset = 0;

  PyObject*& of(PyObject* object) const {
    return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset);
  }
  // For a new instance, whose slots are all empty.
  void init(PyObject* object, PyObject* value) const {
    Py_INCREF(value);
    of(object) = value;
  }
  void set(PyObject* object, PyObject* value) const {
    PyObject* before = of(object);
    Py_INCREF(value);
    of(object) = value;
    Py_XDECREF(before);
  }
  bool is_true(PyObject* object) const { return of(object) == Py_True; }
};

struct VariableSlots {
  Slot data, node, cell, hooks, view, grad, requires_grad;
};

struct NodeSlots {
  Slot op, plan, edges, saved, versions, cell, shape, dtype, order, hooks;
};

struct PlanSlots {
  Slot frees, holds, keep, keeps_extras, keeps_more, keeps_output, rules, shapes, targets;
};

struct OpSlots {
  Slot arity, broadcasts, defaults, floating, forward, plans, required, rules, saves, view;
};

// Most arguments of an op, and values that a gradient rule reads, in the fast paths.
inline constexpr Py_ssize_t kMostArguments = 16;

// What the Python side has told: classes, slots, and the functions that take over where the fast
// paths end. All null until then, and never freed.
struct Python {
  bool ready = false;
  bool enabled = true;  // off: every call takes the Python path (for tests)
  bool noting = false;  // every recorded operation is told to someone (anomaly mode)
  PyTypeObject *array, *tensor, *variable, *node, *plan, *op;
  PyObject *handlers, *tensor_handler;
  PyObject *call, *compute, *record, *shape_of, *explain;
  PyObject *silence, *restore, *quiet, *recording, *inference, *next_order;
  PyObject* asarray;
  PyObject *heappush, *heappop, *run_node, *plus;
  VariableSlots variable_slots;
  NodeSlots node_slots;
  PlanSlots plan_slots;
  OpSlots op_slots;
};

extern Python python;

// Null is no array: a class may compute its arrays when asked, and leave the slot empty.
inline bool is_array(PyObject* object) {
  return object != nullptr && Py_TYPE(object) == python.array;
}

inline py::detail::PyArray_Proxy* array_fields(PyObject* array) {
  return py::detail::array_proxy(array);
}

inline PyObject* descr_of(PyObject* array) { return array_fields(array)->descr; }

// Whether the elements are floating-point numbers.
inline bool is_floating(PyObject* array) {
  return py::detail::array_descriptor_proxy(descr_of(array))->kind == 'f';
}

// Whether a tensor can hold the elements: real numbers or bools.
inline bool holds_numbers(PyObject* array) {
  const char kind = py::detail::array_descriptor_proxy(descr_of(array))->kind;
  return kind == 'f' || kind == 'i' || kind == 'u' || kind == 'b';
}

inline bool is_sequence(PyObject* object) {
  return PyTuple_CheckExact(object) || PyList_CheckExact(object);
}

}  // namespace qg::autograd
