/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripts share one interpreter: its builtins, its modules, its sys. A script that deletes
 * builtins.list or empties sys.modules, on purpose or by mistake, would take it from all others and
 * from the prelude. So the names that were there at the start are put back before each script;
 * what scripts have added stays, as with any import.
 *
 * A dict that hasn't changed since is told by its version, so that this costs a script next to
 * nothing.
 */
#include "gears/py/gpy_core.h"

struct kept {
    PyObject *now;    /* the dict that scripts see */
    PyObject *before; /* a copy */
    uint64_t version;
};

static struct {
    struct kept dicts[6];
    size_t count;
    PyObject *finders, *finders_before; /* sys.meta_path */
    PyObject *hooks, *hooks_before;     /* sys.path_hooks */
    PyObject *gc_callbacks;
} tidy;

static uint64_t version_of(PyObject *dict)
{
#if PY_VERSION_HEX < 0x030c0000
    return ((PyDictObject *)dict)->ma_version_tag;
#else
    UNUSED(dict);
    return 0; /* no longer kept: looked through each time */
#endif
}

static bool note_dict(PyObject *dict)
{
    ASSERT(tidy.count < ARRAY_COUNT(tidy.dicts));
    PyObject *copy = dict ? PyDict_Copy(dict) : NULL;
    if (!copy) return false;
    tidy.dicts[tidy.count++] = (struct kept){Py_NewRef(dict), copy, version_of(dict)};
    return true;
}

static bool note_module(const char *name)
{
    PyObject *module = PyImport_ImportModule(name);
    bool done = module && note_dict(PyModule_GetDict(module));
    Py_XDECREF(module);
    return done;
}

static bool note_list(const char *name, PyObject **now, PyObject **before)
{
    PyObject *list = PySys_GetObject(name);
    if (!list || !PyList_Check(list)) return false;
    *now = Py_NewRef(list);
    *before = PyList_GetSlice(list, 0, PyList_GET_SIZE(list));
    return *before != NULL;
}

bool gpy__tidy_note(void)
{
    PyObject *gc = PyImport_ImportModule("gc");
    tidy.gc_callbacks = gc ? PyObject_GetAttrString(gc, "callbacks") : NULL;
    Py_XDECREF(gc);
    return tidy.gc_callbacks && note_module("builtins") && note_module("sys") &&
           note_module("threading") && note_dict(gpy__names.prelude) &&
           note_dict(PyModule_GetDict(gpy__names.module)) &&
           note_dict(PyImport_GetModuleDict()) &&
           note_list("meta_path", &tidy.finders, &tidy.finders_before) &&
           note_list("path_hooks", &tidy.hooks, &tidy.hooks_before);
}

static void put_back(struct kept *k)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    if (k->version && version_of(k->now) == k->version) return;
    while (PyDict_Next(k->before, &at, &name, &value))
        if (PyDict_GetItemWithError(k->now, name) != value && PyDict_SetItem(k->now, name, value))
            PyErr_Clear();
    PyErr_Clear();
    k->version = version_of(k->now);
}

static void put_back_list(PyObject *now, PyObject *before)
{
    if (PyList_GET_SIZE(now) >= PyList_GET_SIZE(before)) return;
    if (PyList_SetSlice(now, 0, PyList_GET_SIZE(now), before)) PyErr_Clear();
}

void gpy__tidy(void)
{
    for (size_t i = 0; i < tidy.count; i++) put_back(&tidy.dicts[i]);
    put_back_list(tidy.finders, tidy.finders_before);
    put_back_list(tidy.hooks, tidy.hooks_before);
    if (PyList_Check(tidy.gc_callbacks) && PyList_GET_SIZE(tidy.gc_callbacks) &&
        PyList_SetSlice(tidy.gc_callbacks, 0, PyList_GET_SIZE(tidy.gc_callbacks), NULL))
        PyErr_Clear();
    PyGC_Enable();
}
