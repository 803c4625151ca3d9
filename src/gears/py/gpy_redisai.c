/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The module `redisAI`: scripts for RedisGears import it whether there's a RedisAI or not, and find
 * out by calling it. Here there's none.
 */
#include "gears/py/gpy_core.h"

static const char absent[] = "RedisAI is not loaded, it is not possible to use AI interface.";

static PyObject *refuse(PyObject *self, PyObject *args, PyObject *kwargs)
{
    UNUSED(self);
    UNUSED(args);
    UNUSED(kwargs);
    PyErr_SetString(gpy__names.error, absent);
    return NULL;
}

#define ROW(name) {name, (PyCFunction)(void (*)(void))refuse, METH_VARARGS | METH_KEYWORDS, absent}
static PyMethodDef functions[] = {ROW("createTensorFromValues"),
                                  ROW("createTensorFromBlob"),
                                  ROW("setTensorInKey"),
                                  ROW("msetTensorsInKeyspace"),
                                  ROW("getTensorFromKey"),
                                  ROW("mgetTensorsFromKeyspace"),
                                  ROW("tensorToFlatList"),
                                  ROW("tensorGetDataAsBlob"),
                                  ROW("tensorGetDims"),
                                  ROW("createModelRunner"),
                                  ROW("modelRunnerAddInput"),
                                  ROW("modelRunnerAddOutput"),
                                  ROW("modelRunnerRun"),
                                  ROW("modelRunnerRunAsync"),
                                  ROW("createScriptRunner"),
                                  ROW("scriptRunnerAddInput"),
                                  ROW("scriptRunnerAddInputList"),
                                  ROW("scriptRunnerAddOutput"),
                                  ROW("scriptRunnerRun"),
                                  ROW("scriptRunnerRunAsync"),
                                  ROW("createDAGRunner"),
                                  {NULL, NULL, 0, NULL}};

static struct PyModuleDef module_def = {PyModuleDef_HEAD_INIT,
                                        "redisAI",
                                        "RedisAI, which isn't there: every function says so.",
                                        -1,
                                        functions,
                                        NULL,
                                        NULL,
                                        NULL,
                                        NULL};

/* Names to test against; nothing is ever one of them. */
static PyTypeObject types[] = {{PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisAI.PyTensor"},
                               {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisAI.PyGraphRunner"},
                               {PyVarObject_HEAD_INIT(NULL, 0).tp_name =
                                    "redisAI.PyTorchScriptRunner"},
                               {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "redisAI.PyDAGRunner"}};

bool gpy__redisai_create(void)
{
    PyObject *module = PyModule_Create(&module_def);
    for (size_t i = 0; module && i < ARRAY_COUNT(types); i++) {
        types[i].tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;
        types[i].tp_basicsize = sizeof(PyObject);
        if (PyModule_AddType(module, &types[i])) return false;
    }
    return module && PyDict_SetItemString(PyImport_GetModuleDict(), "redisAI", module) == 0;
}
