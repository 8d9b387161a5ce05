// What Python gets of the fast paths.
#pragma once

#include <Python.h>

namespace qg::autograd {

// `__call__` of an op.
extern PyMethodDef call_definition;

// The backward loop on a Gradients object; None, or null with an error set.
PyObject* flow(PyObject* state, bool retain_graph);

}  // namespace qg::autograd
