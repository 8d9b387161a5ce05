// The one door, for the usual call: tensors and numbers by position, computed on their arrays and
// recorded. qgrad/ops/op.py (Op.__call__) and qgrad/autograd/record.py are the meaning; whatever is
// not usual here is passed on to them: keywords, views that may be stale, lists of tensors, other
// classes with an op of their own, inference mode, anomaly mode.

#include <vector>

#include "autograd/door.h"
#include "autograd/slots.h"

namespace qg::autograd {

Python python;

namespace {

// Whether ops on this class are recorded; other handlers than the tensors' are not for this door.
bool is_tensor_type(PyTypeObject* type) {
  if (type == python.tensor) return true;
  if (!PyType_IsSubtype(type, python.variable)) return false;
  return PyDict_GetItem(python.handlers, reinterpret_cast<PyObject*>(type)) ==
         python.tensor_handler;
}

bool is_plain(PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  return value == Py_None || type == &PyLong_Type || type == &PyFloat_Type ||
         type == &PyBool_Type || type == &PyUnicode_Type || type == python.array;
}

// Whether no item of a list or tuple can be a tensor, one level deep.
bool is_plain_sequence(PyObject* sequence) {
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(sequence);
  PyObject** items = PySequence_Fast_ITEMS(sequence);
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (!is_plain(items[i])) return false;
  }
  return true;
}

// One call: all parameters in order, and their arrays.
struct Call {
  PyObject* op;
  Py_ssize_t arity;
  PyObject* args[kMostArguments];    // borrowed
  PyObject* arrays[kMostArguments];  // owned
  Py_ssize_t taken = 0;              // of the arrays
  int mask = 0;                      // bit i: argument i requires grad
  bool counted = false;              // some argument has a version counter
  bool has_tensor = false;

  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    for (Py_ssize_t i = 0; i < taken; ++i) Py_DECREF(arrays[i]);
  }
  void take(PyObject* array) {
    Py_INCREF(array);
    arrays[taken++] = array;
  }
};

PyObject* tuple_of(PyObject* const* items, Py_ssize_t count) {
  PyObject* tuple = PyTuple_New(count);
  if (tuple == nullptr) return nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    Py_INCREF(items[i]);
    PyTuple_SET_ITEM(tuple, i, items[i]);
  }
  return tuple;
}

// Whether the memory of a view was changed since its history was recorded.
bool is_stale(PyObject* tensor, PyObject* cell) {
  PyObject* view = python.variable_slots.view.of(tensor);
  if (view == Py_None) return false;
  const long seen = PyLong_AsLong(PyTuple_GET_ITEM(view, 2));
  return seen != PyLong_AsLong(PyList_GET_ITEM(cell, 0));
}

// Fills `call`; false where the Python door has to take over.
bool take_arguments(Call& call, PyObject* op, PyObject* const* args, Py_ssize_t given) {
  const OpSlots& slots = python.op_slots;
  call.op = op;
  call.arity = PyLong_AsSsize_t(slots.arity.of(op));
  if (call.arity > kMostArguments || given > call.arity) return false;
  for (Py_ssize_t i = 0; i < given; ++i) call.args[i] = args[i];
  if (given < call.arity) {
    const Py_ssize_t required = PyLong_AsSsize_t(slots.required.of(op));
    if (given < required) return false;
    PyObject* defaults = slots.defaults.of(op);
    for (Py_ssize_t i = given; i < call.arity; ++i) {
      call.args[i] = PyTuple_GET_ITEM(defaults, i - required);
    }
  }
  const VariableSlots& fields = python.variable_slots;
  for (Py_ssize_t i = 0; i < call.arity; ++i) {
    PyObject* value = call.args[i];
    if (is_plain(value) || (is_sequence(value) && is_plain_sequence(value))) {
      call.take(value);
      continue;
    }
    if (!is_tensor_type(Py_TYPE(value)) || !is_array(fields.data.of(value))) return false;
    PyObject* cell = fields.cell.of(value);
    if (cell != Py_None) {
      if (cell == python.inference || is_stale(value, cell)) return false;
      call.counted = true;
    }
    if (fields.requires_grad.is_true(value)) call.mask |= 1 << i;
    call.take(fields.data.of(value));
    call.has_tensor = true;
  }
  return true;
}

// Whether the forward takes the arrays as they are, without promotion.
bool needs_no_promotion(const Call& call) {
  const OpSlots& slots = python.op_slots;
  PyObject* first = call.arity > 0 ? call.arrays[0] : Py_None;
  const bool floating = slots.floating.is_true(call.op);
  if (!slots.broadcasts.is_true(call.op)) {
    return !floating || (is_array(first) && is_floating(first));
  }
  return call.arity == 2 && is_array(first) && is_array(call.arrays[1]) &&
         descr_of(first) == descr_of(call.arrays[1]) && (!floating || is_floating(first));
}

// A number beside an array of floats becomes one of its dtype, which widens nothing. False where
// that is not the case, or not possible.
bool convert_number(Call& call) {
  if (!python.op_slots.broadcasts.is_true(call.op) || call.arity != 2) return false;
  const int place = is_array(call.arrays[0]) ? 1 : 0;
  PyObject *array = call.arrays[1 - place], *number = call.arrays[place];
  const bool is_number =
      PyFloat_CheckExact(number) || PyLong_CheckExact(number) || PyBool_Check(number);
  if (!is_number || !is_array(array) || !is_floating(array)) return false;
  PyObject* const arguments[] = {number, descr_of(array)};
  PyObject* converted = PyObject_Vectorcall(python.asarray, arguments, 2, nullptr);
  if (converted == nullptr) {
    PyErr_Clear();  // Python meets the same error, and explains it
    return false;
  }
  call.arrays[place] = converted;
  Py_DECREF(number);
  return true;
}

// Raises the pending error as the op explains it.
void explain_error(const Call& call) {
  if (!PyErr_ExceptionMatches(PyExc_ValueError) && !PyErr_ExceptionMatches(PyExc_TypeError) &&
      !PyErr_ExceptionMatches(PyExc_IndexError) && !PyErr_ExceptionMatches(PyExc_OverflowError)) {
    return;
  }
  PyObject *type, *error, *trace;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  const Ref owned_type(type), owned_error(error), owned_trace(trace);
  if (trace != nullptr) PyException_SetTraceback(error, trace);
  const Ref arrays(tuple_of(call.arrays, call.arity));
  if (!arrays) return;
  PyObject* const arguments[] = {call.op, error, arrays.get()};
  const Ref result(PyObject_Vectorcall(python.explain, arguments, 3, nullptr));  // always raises
}

// The op's forward on the arrays, with floating-point warnings off.
PyObject* forward(Call& call) {
  if (!needs_no_promotion(call) && !convert_number(call)) {
    const Ref arrays(tuple_of(call.arrays, call.arity));
    if (!arrays) return nullptr;
    PyObject* const arguments[] = {call.op, arrays.get()};
    return PyObject_Vectorcall(python.compute, arguments, 2, nullptr);
  }
  const Ref token(PyObject_CallOneArg(python.silence, python.quiet));
  if (!token) return nullptr;
  PyObject* y = PyObject_Vectorcall(python.op_slots.forward.of(call.op), call.arrays,
                                    static_cast<size_t>(call.arity), nullptr);
  if (y == nullptr) explain_error(call);
  PyObject *type, *error, *trace;
  PyErr_Fetch(&type, &error, &trace);
  const Ref done(PyObject_CallOneArg(python.restore, token.get()));
  if (type != nullptr) PyErr_Restore(type, error, trace);
  if (!done) {
    Py_XDECREF(y);
    return nullptr;
  }
  return y;
}

PyObject* new_tensor(PyObject* y) {
  PyObject* tensor = PyType_GenericAlloc(python.tensor, 0);
  if (tensor == nullptr) return nullptr;
  const VariableSlots& fields = python.variable_slots;
  fields.data.init(tensor, y);
  fields.node.init(tensor, Py_None);
  fields.cell.init(tensor, Py_None);
  fields.hooks.init(tensor, Py_None);
  fields.view.init(tensor, Py_None);
  fields.grad.init(tensor, Py_None);
  fields.requires_grad.init(tensor, Py_False);
  return tensor;
}

PyObject* plan_for(PyObject* op, int mask) {
  const Ref key(PyLong_FromLong(mask));
  if (!key) return nullptr;
  PyObject* plan = PyDict_GetItemWithError(python.op_slots.plans.of(op), key.get());
  if (plan != nullptr) {
    Py_INCREF(plan);
    return plan;
  }
  if (PyErr_Occurred()) return nullptr;
  return PyObject_CallMethod(op, "plan", "O", key.get());
}

// Lets a view share its version counter with what it views, and refer to it. False where Python has
// to look: nothing but views of the first argument, made while operations are recorded, is usual.
bool can_share_memory(const Call& call, PyObject* y, PyObject* mode) {
  if (mode != Py_True || PyDict_GET_SIZE(python.op_slots.rules.of(call.op)) == 0) return false;
  return PyType_IsSubtype(Py_TYPE(call.args[0]), python.variable) && y != call.arrays[0];
}

bool share_memory(const Call& call, PyObject* tensor) {
  const VariableSlots& fields = python.variable_slots;
  PyObject *base = call.args[0], *data = call.arrays[0];
  PyObject* owner = array_fields(fields.data.of(tensor))->base;
  if (owner == nullptr || (owner != data && owner != array_fields(data)->base)) return true;
  if (fields.cell.of(base) == Py_None) {
    const Ref cell(Py_BuildValue("[i]", 0));
    if (!cell) return false;
    fields.cell.set(base, cell.get());
  }
  PyObject* cell = fields.cell.of(base);
  fields.cell.set(tensor, cell);
  const Ref args(tuple_of(call.args, call.arity));
  if (!args) return false;
  const Ref view(PyTuple_Pack(3, call.op, args.get(), PyList_GET_ITEM(cell, 0)));
  if (!view) return false;
  fields.view.set(tensor, view.get());
  return true;
}

// Where the gradient of a tensor goes: what made it, or itself.
PyObject* edge_of(PyObject* tensor) {
  PyObject* node = python.variable_slots.node.of(tensor);
  return node == Py_None ? tensor : node;
}

bool append_shapes(const Call& call, PyObject* shapes, PyObject* saved) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shapes); ++i) {
    const Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GET_ITEM(shapes, i));
    const Ref shape(PyObject_CallOneArg(python.shape_of, call.args[place]));
    if (!shape || PyList_Append(saved, shape.get()) < 0) return false;
  }
  return true;
}

// What is saved for the rules, laid out by `plan`; `tensor` is the result.
PyObject* saved_values(const Call& call, PyObject* plan, PyObject* node, PyObject* tensor,
                       PyObject* extras) {
  const PlanSlots& slots = python.plan_slots;
  PyObject* keep = slots.keep.of(plan);
  const Py_ssize_t kept = PyTuple_GET_SIZE(keep);
  Ref saved(PyList_New(kept));
  if (!saved) return nullptr;
  for (Py_ssize_t i = 0; i < kept; ++i) {
    PyObject* value = call.args[PyLong_AsSsize_t(PyTuple_GET_ITEM(keep, i))];
    Py_INCREF(value);
    PyList_SET_ITEM(saved.get(), i, value);
  }
  if (!slots.keeps_more.is_true(plan)) return saved.release();
  if (!append_shapes(call, slots.shapes.of(plan), saved.get())) return nullptr;
  if (slots.keeps_output.is_true(plan)) {
    const VariableSlots& fields = python.variable_slots;
    if (PyList_Append(saved.get(), fields.data.of(tensor)) < 0) return nullptr;
    const Ref cell(Py_BuildValue("[i]", 0));
    if (!cell) return nullptr;
    fields.cell.set(tensor, cell.get());
    python.node_slots.cell.set(node, cell.get());
  }
  if (slots.keeps_extras.is_true(plan) && PyList_Append(saved.get(), extras) < 0) return nullptr;
  return saved.release();
}

// The versions of the saved arguments: what their counters say now.
PyObject* saved_versions(const Call& call, PyObject* keep) {
  const Py_ssize_t kept = PyTuple_GET_SIZE(keep);
  Ref versions(PyList_New(kept));
  if (!versions) return nullptr;
  const Ref zero(PyLong_FromLong(0));
  for (Py_ssize_t i = 0; i < kept; ++i) {
    PyObject* value = call.args[PyLong_AsSsize_t(PyTuple_GET_ITEM(keep, i))];
    PyObject* version = zero.get();
    if (is_sequence(value)) {  // of no tensors: see take_arguments
      Ref zeros(PyList_New(PySequence_Fast_GET_SIZE(value)));
      if (!zeros) return nullptr;
      for (Py_ssize_t k = 0; k < PyList_GET_SIZE(zeros.get()); ++k) {
        Py_INCREF(zero.get());
        PyList_SET_ITEM(zeros.get(), k, zero.get());
      }
      PyList_SET_ITEM(versions.get(), i, zeros.release());
      continue;
    }
    if (PyType_IsSubtype(Py_TYPE(value), python.variable)) {
      PyObject* cell = python.variable_slots.cell.of(value);
      if (cell != Py_None) version = PyList_GET_ITEM(cell, 0);
    }
    Py_INCREF(version);
    PyList_SET_ITEM(versions.get(), i, version);
  }
  return versions.release();
}

// Makes the node of a result; false with an error set.
bool attach_node(const Call& call, PyObject* plan, PyObject* tensor, PyObject* extras) {
  const NodeSlots& fields = python.node_slots;
  PyObject* y = python.variable_slots.data.of(tensor);
  const Ref node(PyType_GenericAlloc(python.node, 0));
  if (!node) return false;
  PyObject* self = node.get();
  fields.op.init(self, call.op);
  fields.plan.init(self, plan);
  fields.dtype.init(self, descr_of(y));
  fields.versions.init(self, Py_None);
  fields.cell.init(self, Py_None);
  fields.hooks.init(self, Py_None);
  const Ref shape(PyObject_GetAttrString(y, "shape")),
      order(PyObject_CallNoArgs(python.next_order));
  PyObject* targets = python.plan_slots.targets.of(plan);
  const Ref edges(PyList_New(PyTuple_GET_SIZE(targets)));
  if (!shape || !order || !edges) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(targets); ++i) {
    PyObject* edge = edge_of(call.args[PyLong_AsSsize_t(PyTuple_GET_ITEM(targets, i))]);
    Py_INCREF(edge);
    PyList_SET_ITEM(edges.get(), i, edge);
  }
  fields.shape.init(self, shape.get());
  fields.order.init(self, order.get());
  fields.edges.init(self, edges.get());
  const Ref saved(saved_values(call, plan, self, tensor, extras));
  if (!saved) return false;
  fields.saved.init(self, saved.get());
  if (call.counted) {
    const Ref versions(saved_versions(call, python.plan_slots.keep.of(plan)));
    if (!versions) return false;
    fields.versions.set(self, versions.get());
  }
  python.variable_slots.node.set(tensor, self);
  python.variable_slots.requires_grad.set(tensor, Py_True);
  return true;
}

// The result as Python records it: views, and what inference mode makes.
PyObject* record_in_python(const Call& call, PyObject* y, PyObject* extras) {
  const Ref args(tuple_of(call.args, call.arity)), mask(PyLong_FromLong(call.mask));
  if (!args || !mask) return nullptr;
  PyObject* const arguments[] = {call.op, args.get(), y,
                                 extras,  mask.get(), call.counted ? Py_True : Py_False};
  return PyObject_Vectorcall(python.record, arguments, 6, nullptr);
}

PyObject* record(const Call& call, PyObject* y, PyObject* extras) {
  PyObject* found = nullptr;
  if (PyContextVar_Get(python.recording, nullptr, &found) < 0) return nullptr;
  const Ref mode(found);
  const bool view = python.op_slots.view.is_true(call.op);
  if (!is_array(y) || !holds_numbers(y) || (found != Py_True && found != Py_False) ||
      (view && !can_share_memory(call, y, found))) {
    return record_in_python(call, y, extras);
  }
  Ref tensor(new_tensor(y));
  if (!tensor || (view && !share_memory(call, tensor.get()))) return nullptr;
  if (!call.mask || found == Py_False) return tensor.release();
  const Ref plan(plan_for(call.op, call.mask));
  if (!plan) return nullptr;
  if (plan.get() == Py_None || !is_floating(y)) return tensor.release();
  if (Py_TYPE(plan.get()) != python.plan) return record_in_python(call, y, extras);
  return attach_node(call, plan.get(), tensor.get(), extras) ? tensor.release() : nullptr;
}

// op(*args, **kwargs): `args` are followed by the values of the keywords `names`.
PyObject* call_op(PyObject* op, PyObject* const* args, Py_ssize_t given, PyObject* names) {
  Call call;
  const bool usual = python.ready && python.enabled && !python.noting && names == nullptr &&
                     Py_TYPE(op) == python.op && take_arguments(call, op, args, given);
  if (!usual) {
    const Py_ssize_t more = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    std::vector<PyObject*> all{op};
    all.insert(all.end(), args, args + given + more);
    return PyObject_Vectorcall(python.call, all.data(), static_cast<size_t>(given) + 1, names);
  }
  Ref y(forward(call));
  if (!y) return nullptr;
  PyObject* extras = Py_None;
  Ref pair;
  if (python.op_slots.saves.is_true(op)) {
    pair.reset(y.release());
    if (!PyTuple_CheckExact(pair.get()) || PyTuple_GET_SIZE(pair.get()) != 2) {
      PyErr_Format(PyExc_TypeError, "%R: the forward must give (result, extras)", op);
      return nullptr;
    }
    extras = PyTuple_GET_ITEM(pair.get(), 1);
    PyObject* result = PyTuple_GET_ITEM(pair.get(), 0);
    Py_INCREF(result);
    y.reset(result);
  }
  return call.has_tensor ? record(call, y.get(), extras) : y.release();
}

}  // namespace

PyMethodDef call_definition = {
    "__call__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call_op)),
    METH_FASTCALL | METH_KEYWORDS,
    "Compute on whatever the arguments are: arrays, Tensors, tracers, symbolic values.\n\n"
    "`out=` takes the result, as in PyTorch."};

}  // namespace qg::autograd
