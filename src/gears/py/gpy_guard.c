/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a script must not do to the process it shares with the database: end it, fork it, move
 * its working directory, close its descriptors, change its locale, its limits, its identity or
 * its signals.
 *
 * Two nets. Functions of the modules concerned are replaced by ones that raise PermissionError
 * (before any script can have kept the old ones); and an audit hook, which sees calls whichever
 * name they were found under, refuses what CPython announces. Neither is a sandbox: who can send
 * scripts can load ctypes. They keep honest mistakes from taking the data along.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "gears/gconf.h"
#include "gears/py/gpy_core.h"

/* Frames of C that fit the stacks of our threads with room to spare. */
#define RECURSION_MAX 5000

/* Descriptors above it aren't looked after. */
#define NOTED_MAX 1024

/* ---- descriptors ---- */

/* What was open when Python started and stays open: standard streams, listening sockets, what polls
 * and wakes. Connections of clients and files come and go, and with them their numbers. Written
 * before any script runs. */
static bool is_ours[NOTED_MAX];

static void note_descriptors(void)
{
    for (int fd = 0; fd < NOTED_MAX; fd++) {
        struct stat st;
        int listens = 0;
        socklen_t len = sizeof(listens);
        if (fstat(fd, &st)) continue;
        bool anonymous = !(st.st_mode & S_IFMT); /* epoll, eventfd, timerfd */
        if (S_ISSOCK(st.st_mode) && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len))
            continue;
        is_ours[fd] = fd <= STDERR_FILENO || anonymous || listens;
    }
}

/* With PermissionError raised, if so. */
static bool refuse_ours(int fd)
{
    if (fd < 0 || fd >= NOTED_MAX || !is_ours[fd]) return false;
    PyErr_Format(PyExc_PermissionError, "descriptor %d is the server's", fd);
    return true;
}

/* ---- audit hook: any thread, GIL held ---- */

static int refuse(const char *event)
{
    PyErr_Format(PyExc_PermissionError, "%s is not allowed inside the server", event);
    return -1;
}

/* open() of a descriptor: its end would close it. */
static int look_at_open(PyObject *args)
{
    PyObject *path = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (!path || !PyLong_Check(path)) return 0;
    int overflow;
    long fd = PyLong_AsLongAndOverflow(path, &overflow);
    return !overflow && fd < NOTED_MAX && refuse_ours((int)fd) ? -1 : 0;
}

/* A signal to ourselves, our group or everybody. */
static bool hits_us(const char *event, PyObject *args)
{
    if (PyTuple_GET_SIZE(args) < 1) return true;
    long pid = PyLong_AsLong(PyTuple_GET_ITEM(args, 0));
    PyErr_Clear();
    if (strcmp(event, "os.killpg") == 0) return pid <= 1 || pid == getpgrp();
    return pid == getpid() || pid <= 0;
}

static int audit(const char *event, PyObject *args, void *data)
{
    UNUSED(data);
    static const char *const refused[] = {
        "os.fork",           "os.forkpty", "os.exec",  "os.chdir", "resource.setrlimit",
        "resource.prlimit",  "os.fchdir",  "pty.spawn", "sys.addaudithook", NULL};
    /* Most events are `import`, `open`, `compile`, `object.__getattr__`: one look tells. */
    if ((event[0] != 'o' && event[0] != 'r' && event[0] != 'p' && event[0] != 's')) return 0;
    for (int i = 0; refused[i]; i++)
        if (strcmp(event, refused[i]) == 0) return refuse(event);
    if (strcmp(event, "open") == 0) return look_at_open(args);
    if (strcmp(event, "os.kill") == 0 || strcmp(event, "os.killpg") == 0)
        return hits_us(event, args) ? refuse(event) : 0;
    if (strcmp(event, "signal.pthread_kill") == 0) return refuse(event);
    return 0;
}

void gpy__guard_install(void)
{
    PySys_AddAuditHook(audit, NULL);
}

/* ---- replaced functions ---- */

/* self is the name under which it is refused. */
static PyObject *refused_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    UNUSED(args);
    UNUSED(kwargs);
    return PyErr_Format(PyExc_PermissionError, "%U is not allowed inside the server", self);
}

static PyMethodDef refused_def = {"refused", (PyCFunction)(void (*)(void))refused_call,
                                  METH_VARARGS | METH_KEYWORDS,
                                  "Not allowed inside the server: it would hurt the process."};

struct replaced {
    const char *module;
    const char *names; /* separated by blanks */
};

static const struct replaced replaced[] = {
    {"posix", "_exit abort fork forkpty closerange chdir fchdir chroot umask nice setuid setgid "
              "seteuid setegid setreuid setregid setresuid setresgid setgroups initgroups setsid "
              "setpgid setpgrp setpriority tcsetpgrp execv execve "
              "sched_setaffinity sched_setscheduler sched_setparam"},
    {"os", "_exit abort fork forkpty closerange chdir fchdir chroot umask nice setuid setgid "
           "seteuid setegid setreuid setregid setresuid setresgid setgroups initgroups setsid "
           "setpgid setpgrp setpriority tcsetpgrp execv execve execl execle execlp execlpe execvp "
           "execvpe sched_setaffinity sched_setscheduler sched_setparam"},
    {"signal", "alarm setitimer raise_signal signal siginterrupt set_wakeup_fd "
               "pthread_kill pidfd_send_signal"},
    {"_signal", "alarm setitimer raise_signal signal siginterrupt set_wakeup_fd "
                "pthread_kill pidfd_send_signal"},
    {"resource", "setrlimit prlimit"},
    {"faulthandler", "_sigsegv _sigabrt _sigfpe _fatal_error_c_thread _read_null _stack_overflow "
                     "enable disable register dump_traceback_later"},
    {"_thread", "interrupt_main stack_size"},
    {"threading", "stack_size"},
    {"sys", "setswitchinterval"},
};

/* Replaces one function, if this Python has it. */
static bool replace(PyObject *module, const char *module_name, const char *name)
{
    if (!PyObject_HasAttrString(module, name)) return true;
    PyObject *label = PyUnicode_FromFormat("%s.%s", module_name, name);
    PyObject *fn = label ? PyCFunction_New(&refused_def, label) : NULL;
    bool done = fn && PyObject_SetAttrString(module, name, fn) == 0;
    Py_XDECREF(fn);
    Py_XDECREF(label);
    return done;
}

static bool replace_all(const struct replaced *row)
{
    PyObject *module = PyImport_ImportModule(row->module);
    if (!module) {
        PyErr_Clear(); /* a Python without it needs no protection from it */
        return true;
    }
    char name[64];
    bool done = true;
    for (const char *p = row->names; done && *p;) {
        size_t len = strcspn(p, " ");
        ASSERT(len < sizeof(name));
        memcpy(name, p, len);
        name[len] = 0;
        done = replace(module, row->module, name);
        p += len + strspn(p + len, " ");
    }
    Py_DECREF(module);
    return done;
}

/* ---- functions that keep half of what they did ---- */

/* What they replace. */
static PyObject *old_setlocale, *old_sleep, *old_close, *old_dup2, *old_start;

static PyObject *set_recursion_limit(PyObject *self, PyObject *arg)
{
    UNUSED(self);
    long n = PyLong_AsLong(arg);
    if (n == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return NULL;
        PyErr_Clear();
        n = RECURSION_MAX;
    }
    if (n < 1) {
        PyErr_SetString(PyExc_ValueError, "recursion limit must be greater or equal than 1");
        return NULL;
    }
    /* Below what the interpreter's own code needs, every script of the server would fail. */
    Py_SetRecursionLimit((int)MAX(MIN(n, (long)RECURSION_MAX), 200L));
    Py_RETURN_NONE;
}

/* The locale may be asked for, not changed: it is the process's. */
static PyObject *set_locale(PyObject *self, PyObject *args)
{
    UNUSED(self);
    PyObject *category, *locale = Py_None;
    if (!PyArg_ParseTuple(args, "O|O:setlocale", &category, &locale)) return NULL;
    if (locale == Py_None) return PyObject_CallFunctionObjArgs(old_setlocale, category, NULL);
    PyErr_SetString(PyExc_PermissionError, "_locale.setlocale is not allowed inside the server");
    return NULL;
}

/* time.sleep in a thread that can be stopped: a stop must not wait for the sleeper. */
static PyObject *interruptible_sleep(PyObject *self, PyObject *arg)
{
    UNUSED(self);
    struct gpy_thread *me = gpy__me();
    if (!me->now.stop) return PyObject_CallOneArg(old_sleep, arg);
    double seconds = PyFloat_AsDouble(arg);
    if (seconds == -1.0 && PyErr_Occurred()) return NULL;
    if (!(seconds >= 0)) {
        PyErr_SetString(PyExc_ValueError, "sleep length must be non-negative");
        return NULL;
    }
    static _Atomic uint32_t never;
    int64_t until_us = clock_mono_us() + (int64_t)MIN(seconds * 1e6, 9e15);
    PyThreadState *state = gpy__release_gil(me);
    for (int64_t left_us; (left_us = until_us - clock_mono_us()) > 0;) {
        if (atomic_load(&me->now.stop->wanted)) break;
        futex_wait(&never, 0, MIN(left_us, 10000) * 1000);
    }
    gpy__retake_gil(me, state);
    if (!atomic_load(&me->now.stop->wanted)) Py_RETURN_NONE;
    PyErr_SetNone(gpy__names.force_stopped);
    return NULL;
}

static PyObject *close_descriptor(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", NULL};
    int fd;
    UNUSED(self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i:close", names, &fd)) return NULL;
    return refuse_ours(fd) ? NULL : PyObject_CallFunction(old_close, "i", fd);
}

static PyObject *duplicate_descriptor(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", "fd2", "inheritable", NULL};
    int fd, onto, inheritable = 1;
    UNUSED(self);
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ii|p:dup2", names, &fd, &onto, &inheritable))
        return NULL;
    return refuse_ours(onto) ? NULL : PyObject_CallFunction(old_dup2, "iii", fd, onto, inheritable);
}

/* ---- threads of scripts: they act for the user whose script began them, and are counted ---- */

/* From before the start of one to the end of its function; written with the GIL. */
static atomic_size_t program_threads;

size_t gpy_program_threads(void)
{
    return atomic_load(&program_threads);
}

/* False with an exception, as for a thread that the system doesn't give. */
static bool count_thread(void)
{
    int64_t most = gconf_max_program_threads();
    if (most && (int64_t)atomic_load(&program_threads) >= most) {
        PyErr_Format(PyExc_RuntimeError,
                     "can't start new thread: programs have as many as gears-max-program-threads "
                     "allows (%lld)",
                     (long long)most);
        return false;
    }
    atomic_fetch_add(&program_threads, 1);
    return true;
}

static const char user_capsule[] = "redisgears.user";

static void forget_user(PyObject *capsule)
{
    exec_user_unref(PyCapsule_GetPointer(capsule, user_capsule));
}

/* self: (user or None, function). A thread of an older one's has that one's user. */
static PyObject *thread_body(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct gpy_thread *me = gpy__here();
    PyObject *user = PyTuple_GET_ITEM(self, 0);
    if (user != Py_None) me->user = PyCapsule_GetPointer(user, user_capsule);
    PyObject *result = PyObject_Call(PyTuple_GET_ITEM(self, 1), args, kwargs);
    me->user = NULL; /* the tuple has the reference, and may go with this call */
    me->now.session = NULL;
    atomic_fetch_sub(&program_threads, 1);
    return result;
}

static PyMethodDef thread_body_def = {"thread_body", (PyCFunction)(void (*)(void))thread_body,
                                      METH_VARARGS | METH_KEYWORDS, "The body of a thread."};

static PyObject *user_object(const struct gpy_thread *me)
{
    struct exec_user *user = me->now.session ? me->now.session->user : me->user;
    if (!user) Py_RETURN_NONE;
    PyObject *capsule = PyCapsule_New(exec_user_ref(user), user_capsule, forget_user);
    if (!capsule) exec_user_unref(user);
    return capsule;
}

static PyObject *start_thread(PyObject *self, PyObject *args)
{
    UNUSED(self);
    PyObject *fn = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (!fn || !PyCallable_Check(fn)) return PyObject_Call(old_start, args, NULL); /* it refuses */
    if (gpy__refuse_explained("a thread") || !count_thread()) return NULL;
    PyObject *user = user_object(gpy__here()), *result = NULL;
    PyObject *pair = user ? PyTuple_Pack(2, user, fn) : NULL;
    PyObject *body = pair ? PyCFunction_New(&thread_body_def, pair) : NULL;
    PyObject *words = body ? PySequence_List(args) : NULL;
    if (words && PyList_SetItem(words, 0, Py_NewRef(body)) == 0) {
        PyObject *tuple = PyList_AsTuple(words);
        if (tuple) result = PyObject_Call(old_start, tuple, NULL);
        Py_XDECREF(tuple);
    }
    Py_XDECREF(words);
    Py_XDECREF(body);
    Py_XDECREF(pair);
    Py_XDECREF(user);
    if (!result) atomic_fetch_sub(&program_threads, 1);
    return result;
}

#define WITH_KEYWORDS(fn) ((PyCFunction)(void (*)(void))(fn)), METH_VARARGS | METH_KEYWORDS
static struct {
    const char *module, *also_in, *also_as; /* also_as: the name it has there, if another */
    PyObject **old;
    PyMethodDef def;
} wrapped[] = {
    {"sys", NULL, NULL, NULL,
     {"setrecursionlimit", set_recursion_limit, METH_O,
      "Sets the recursion limit, at most to what the server's stacks can bear."}},
    {"_locale", "locale", "_setlocale", &old_setlocale,
     {"setlocale", set_locale, METH_VARARGS, "Tells the locale; it can't be changed here."}},
    {"time", NULL, NULL, &old_sleep,
     {"sleep", interruptible_sleep, METH_O, "Delays for a number of seconds."}},
    {"posix", "os", NULL, &old_close,
     {"close", WITH_KEYWORDS(close_descriptor),
      "Closes a descriptor, unless it is the server's."}},
    {"posix", "os", NULL, &old_dup2,
     {"dup2", WITH_KEYWORDS(duplicate_descriptor),
      "Duplicates a descriptor, but onto none of the server's."}},
    {"_thread", "threading", "_start_new_thread", &old_start,
     {"start_new_thread", start_thread, METH_VARARGS,
      "Starts a thread, which acts for the user whose script starts it."}},
    {"_thread", NULL, NULL, NULL,
     {"start_new", start_thread, METH_VARARGS, "As start_new_thread."}},
};

static bool set_in(const char *module_name, const char *name, PyObject *fn)
{
    PyObject *module = PyImport_ImportModule(module_name);
    bool done = module && PyObject_SetAttrString(module, name, fn) == 0;
    Py_XDECREF(module);
    return done;
}

/* The module is the new function's self, as with the old one: so it is pickled by name. */
static bool wrap(size_t i)
{
    PyMethodDef *def = &wrapped[i].def;
    PyObject *module = PyImport_ImportModule(wrapped[i].module);
    PyObject *old = module ? PyObject_GetAttrString(module, def->ml_name) : NULL;
    PyObject *name = old ? PyModule_GetNameObject(module) : NULL;
    PyObject *fn = name ? PyCFunction_NewEx(def, module, name) : NULL;
    bool done = fn && set_in(wrapped[i].module, def->ml_name, fn) &&
                (!wrapped[i].also_in ||
                 set_in(wrapped[i].also_in,
                        wrapped[i].also_as ? wrapped[i].also_as : def->ml_name, fn));
    if (done && wrapped[i].old) *wrapped[i].old = Py_NewRef(old);
    Py_XDECREF(fn);
    Py_XDECREF(name);
    Py_XDECREF(old);
    Py_XDECREF(module);
    return done;
}

bool gpy__guard_modules(void)
{
    note_descriptors();
    for (size_t i = 0; i < ARRAY_COUNT(replaced); i++)
        if (!replace_all(&replaced[i])) return false;
    PyThread_set_stacksize(GPY_STACK_BYTES); /* of threads that scripts start */
    for (size_t i = 0; i < ARRAY_COUNT(wrapped); i++)
        if (!wrap(i)) return false;
    return true;
}
