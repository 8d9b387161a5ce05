// The base class of storages: gives them the buffer protocol of the array they hold.
//
// A Python class can export a buffer only from Python 3.12 on (PEP 688). The request is passed on
// to the array, which so becomes the owner of the view: it stays valid when the storage is resized
// or deleted.

#include <pybind11/pybind11.h>

namespace qg {

namespace py = pybind11;

namespace {

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  PyObject* array = PyObject_GetAttrString(self, "_array");
  if (array == nullptr) {
    view->obj = nullptr;
    return -1;
  }
  const int status = PyObject_GetBuffer(array, view, flags);
  Py_DECREF(array);
  return status;
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Exports the buffer of its attribute `_array`.")},
    {Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)},
    {0, nullptr},
};

PyType_Spec spec = {"qgrad._core.BufferExporter", sizeof(PyObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

void bind_buffer_exporter(py::module_& m) {
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) throw py::error_already_set();
  m.attr("BufferExporter") = py::reinterpret_steal<py::object>(type);
}

}  // namespace qg
