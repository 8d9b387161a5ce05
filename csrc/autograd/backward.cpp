// The loop of the backward pass on plain arrays. qgrad/autograd/engine.py is the meaning: `flow`
// and `run_node` there, which take over each node that is not usual (hooks, several outputs that go
// to lists, functions of the user, a graph that was freed or changed).

#include "autograd/door.h"
#include "autograd/slots.h"

namespace qg::autograd {

namespace {

// The gradients on their way, as the Python object keeps them; all borrowed from `state`'s owner.
struct Flow {
  PyObject* state;
  bool retain_graph;
  Ref heap, sums, owned, unwritten, wanted, give, complete;

  bool load() {
    heap.reset(PyObject_GetAttrString(state, "heap"));
    sums.reset(PyObject_GetAttrString(state, "sums"));
    owned.reset(PyObject_GetAttrString(state, "owned"));
    unwritten.reset(PyObject_GetAttrString(state, "unwritten"));
    wanted.reset(PyObject_GetAttrString(state, "wanted"));
    give.reset(PyObject_GetAttrString(state, "give"));
    complete.reset(PyObject_GetAttrString(state, "complete"));
    return heap && sums && owned && unwritten && wanted && give && complete;
  }
};

// The array of a saved tensor that is as it was when saved; null, without an error, if it is not.
PyObject* unchanged_array(PyObject* value, PyObject* versions, Py_ssize_t i) {
  const VariableSlots& fields = python.variable_slots;
  PyObject* cell = fields.cell.of(value);
  if (cell != Py_None) {
    PyObject* before = versions == Py_None ? nullptr : PyList_GET_ITEM(versions, i);
    const long now = PyLong_AsLong(PyList_GET_ITEM(cell, 0));
    if (now != (before == nullptr ? 0 : PyLong_AsLong(before))) return nullptr;
  }
  return fields.data.of(value);
}

bool holds_tensor(PyObject* sequence) {
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(sequence);
  PyObject** items = PySequence_Fast_ITEMS(sequence);
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (is_sequence(items[i]) || PyType_IsSubtype(Py_TYPE(items[i]), python.variable)) return true;
  }
  return false;
}

bool holds_array(PyObject* value) {
  if (is_array(value) || PyType_IsSubtype(Py_TYPE(value), python.variable)) return true;
  if (!is_sequence(value)) return false;
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(value);
  for (Py_ssize_t i = 0; i < size; ++i) {
    if (holds_array(PySequence_Fast_GET_ITEM(value, i))) return true;
  }
  return false;
}

// What the rules of a node read; false where Python has to look.
struct Values {
  PyObject* items[kMostArguments];
  Py_ssize_t count = 0;
  bool has_array = false;

  Values() = default;
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  ~Values() {
    for (Py_ssize_t i = 0; i < count; ++i) Py_DECREF(items[i]);
  }

  bool load(PyObject* node, PyObject* plan) {
    const NodeSlots& fields = python.node_slots;
    PyObject *saved = fields.saved.of(node), *cell = fields.cell.of(node);
    if (saved == Py_None || PyList_GET_SIZE(saved) > kMostArguments) return false;
    if (cell != Py_None && PyLong_AsLong(PyList_GET_ITEM(cell, 0)) != 0) return false;
    const Py_ssize_t size = PyList_GET_SIZE(saved);
    const Py_ssize_t kept = PyTuple_GET_SIZE(python.plan_slots.keep.of(plan));
    for (Py_ssize_t i = 0; i < size; ++i) {
      PyObject* value = PyList_GET_ITEM(saved, i);
      if (i < kept && PyType_IsSubtype(Py_TYPE(value), python.variable)) {
        value = unchanged_array(value, fields.versions.of(node), i);
        if (value == nullptr) return false;
      } else if (i < kept && is_sequence(value) && holds_tensor(value)) {
        return false;
      }
      has_array = has_array || holds_array(value);
      Py_INCREF(value);
      items[count++] = value;
    }
    return true;
  }
};

PyObject* run_rule(PyObject* rule, PyObject* g, const Values& values) {
  PyObject* picks = PyTuple_GET_ITEM(rule, 1);
  PyObject* arguments[kMostArguments + 1];
  const Py_ssize_t count = PyTuple_GET_SIZE(picks);
  arguments[0] = g;
  for (Py_ssize_t i = 0; i < count; ++i) {
    arguments[i + 1] = values.items[PyLong_AsSsize_t(PyTuple_GET_ITEM(picks, i))];
  }
  return PyObject_Vectorcall(PyTuple_GET_ITEM(rule, 0), arguments, static_cast<size_t>(count) + 1,
                             nullptr);
}

bool same_shape(PyObject* array, PyObject* shape) {
  const auto* fields = array_fields(array);
  if (PyTuple_GET_SIZE(shape) != fields->nd) return false;
  for (int i = 0; i < fields->nd; ++i) {
    if (PyLong_AsSsize_t(PyTuple_GET_ITEM(shape, i)) != fields->dimensions[i]) return false;
  }
  return true;
}

bool same_shape_as_array(PyObject* a, PyObject* b) {
  const auto *x = array_fields(a), *y = array_fields(b);
  if (x->nd != y->nd) return false;
  for (int i = 0; i < x->nd; ++i) {
    if (x->dimensions[i] != y->dimensions[i]) return false;
  }
  return true;
}

bool push(const Flow& flow, PyObject* node) {
  const Ref entry(PyTuple_Pack(2, python.node_slots.order.of(node), node));
  if (!entry) return false;
  PyObject* const arguments[] = {flow.heap.get(), entry.get()};
  const Ref done(PyObject_Vectorcall(python.heappush, arguments, 2, nullptr));
  return static_cast<bool>(done);
}

// Adds `result` to the gradient of `target`; `g` is what it was computed from.
bool give(const Flow& flow, PyObject* target, PyObject* result, PyObject* g) {
  const bool is_node = Py_TYPE(target) == python.node;
  const bool is_leaf = !is_node && PyType_IsSubtype(Py_TYPE(target), python.variable);
  if (is_array(result) && (is_node || is_leaf)) {
    bool fits;
    if (is_node) {
      fits = same_shape(result, python.node_slots.shape.of(target)) &&
             descr_of(result) == python.node_slots.dtype.of(target);
    } else {
      PyObject* like = python.variable_slots.data.of(target);
      fits =
          is_array(like) && same_shape_as_array(result, like) && descr_of(result) == descr_of(like);
    }
    PyObject* before = fits ? PyDict_GetItemWithError(flow.sums.get(), target) : nullptr;
    if (PyErr_Occurred()) return false;
    if (fits && before == nullptr) {
      if (PyDict_SetItem(flow.sums.get(), target, result) < 0) return false;
      if (is_node) return push(flow, target);
      const bool mine = result != g && array_fields(result)->base == nullptr;
      return !mine || PySet_Add(flow.owned.get(), target) == 0;
    }
    if (fits && is_array(before) && PyDict_GET_SIZE(flow.unwritten.get()) == 0) {
      PyObject* const arguments[] = {before, result};
      const Ref sum(PyObject_Vectorcall(python.plus, arguments, 2, nullptr));
      if (!sum || PyDict_SetItem(flow.sums.get(), target, sum.get()) < 0) return false;
      return is_node || PySet_Add(flow.owned.get(), target) == 0;
    }
  }
  PyObject* const arguments[] = {target, result, g};
  const Ref done(PyObject_Vectorcall(flow.give.get(), arguments, 3, nullptr));
  return static_cast<bool>(done);
}

bool give_each(const Flow& flow, PyObject* targets, PyObject* results, PyObject* g) {
  const Ref parts(
      PySequence_Fast(results, "backward: a rule must give one gradient for each item"));
  if (!parts) return false;
  const Py_ssize_t count = PyList_GET_SIZE(targets);
  if (PySequence_Fast_GET_SIZE(parts.get()) != count) {
    PyErr_Format(PyExc_ValueError, "backward: %zd gradients for %zd items",
                 PySequence_Fast_GET_SIZE(parts.get()), count);
    return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* target = PyList_GET_ITEM(targets, i);
    if (target == Py_None) continue;
    if (!give(flow, target, PySequence_Fast_GET_ITEM(parts.get(), i), g)) return false;
  }
  return true;
}

bool run_in_python(const Flow& flow, PyObject* node, PyObject* g) {
  PyObject* const arguments[] = {flow.state, node, g, flow.retain_graph ? Py_True : Py_False};
  const Ref done(PyObject_Vectorcall(python.run_node, arguments, 4, nullptr));
  return static_cast<bool>(done);
}

// 1 if the gradient of `target` is asked for, 0 if not, 2 where Python has to look, -1 on errors.
int is_wanted(const Flow& flow, PyObject* target) {
  if (flow.wanted.get() == Py_None) return 1;
  return PyList_CheckExact(target) ? 2 : PySet_Contains(flow.wanted.get(), target);
}

bool run_node(const Flow& flow, PyObject* node, PyObject* g) {
  const NodeSlots& fields = python.node_slots;
  PyObject *plan = fields.plan.of(node), *edges = fields.edges.of(node);
  Values values;
  if (Py_TYPE(plan) != python.plan || fields.hooks.of(node) != Py_None ||
      !values.load(node, plan)) {
    return run_in_python(flow, node, g);
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(edges); ++i) {
    if (is_wanted(flow, PyList_GET_ITEM(edges, i)) == 2) return run_in_python(flow, node, g);
  }
  PyObject* rules = python.plan_slots.rules.of(plan);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(rules); ++i) {
    PyObject* target = PyList_GET_ITEM(edges, i);
    const int wanted = is_wanted(flow, target);
    if (wanted < 0) return false;
    if (wanted == 0) continue;
    const Ref result(run_rule(PyTuple_GET_ITEM(rules, i), g, values));
    if (!result) return false;
    const bool given = PyList_CheckExact(target) ? give_each(flow, target, result.get(), g)
                                                 : give(flow, target, result.get(), g);
    if (!given) return false;
  }
  const PlanSlots& kinds = python.plan_slots;
  if (kinds.holds.is_true(plan) && !flow.retain_graph &&
      (kinds.frees.is_true(plan) || values.has_array)) {
    fields.saved.set(node, Py_None);
  }
  return true;
}

}  // namespace

// Runs the nodes that a gradient has reached, newest first, until there is none.
PyObject* flow(PyObject* state, bool retain_graph) {
  Flow flow{state, retain_graph, Ref(), Ref(), Ref(), Ref(), Ref(), Ref(), Ref()};
  if (!flow.load()) return nullptr;
  while (PyList_GET_SIZE(flow.heap.get()) > 0) {
    const Ref entry(PyObject_CallOneArg(python.heappop, flow.heap.get()));
    if (!entry) return nullptr;
    PyObject* node = PyTuple_GET_ITEM(entry.get(), 1);
    if (PyDict_GET_SIZE(flow.unwritten.get()) > 0) {
      const int partial = PyDict_Contains(flow.unwritten.get(), node);
      if (partial < 0) return nullptr;
      if (partial) {
        const Ref done(PyObject_CallOneArg(flow.complete.get(), node));
        if (!done) return nullptr;
      }
    }
    const Ref g = borrowed(PyDict_GetItemWithError(flow.sums.get(), node));
    if (!g) {
      if (!PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, node);
      return nullptr;
    }
    if (PyDict_DelItem(flow.sums.get(), node) < 0) return nullptr;
    if (!run_node(flow, node, g.get())) return nullptr;
  }
  Py_RETURN_NONE;
}

}  // namespace qg::autograd
