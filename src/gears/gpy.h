/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The boundary to the interpreter, without a word of Python: `void *` is a Python reference that
 * nobody on this side looks into. Behind it is src/gears/py, or, in a build without Python,
 * gpy_absent.c, where starting fails and nothing else is ever reached.
 *
 * The calls are message-shaped on purpose: run a script, run an execution over its reader, stop
 * what runs. Results come back as tapes.
 *
 * Threads: the interpreter lives on a thread of its own for as long as the server; work is done
 * by threads that called gpy_thread_attach. None of these functions may be called by main except
 * those that say "any thread".
 */
#ifndef GEARS_GPY_H
#define GEARS_GPY_H

#include <stdatomic.h>

#include "exec/exec.h"
#include "exec/tape.h"
#include "gears/glimit.h"
#include "gears/gplan.h"

struct gears_api;
struct gexec;
struct ghold;
struct ghook_place;
struct gscript;
struct token_hold;

/* The stack of every thread that runs Python: recursion is bounded with it in mind. */
#define GPY_STACK_BYTES ((size_t)16 << 20)

/* What can be stopped: a script's body, an execution, a sync callback. */
struct gstop {
    atomic_bool wanted;  /* any thread sets it, through gpy_stop */
    atomic_int met;      /* the limit that was met (enum glimit), plus 1; 0: none */
};

/* ---- life ---- */

/* Starts the interpreter on the calling thread, which afterwards sleeps in gpy_serve. On failure
 * the reason is in error, and a later attempt isn't made. Once. */
enum status gpy_start(char *error, size_t error_size) MUST_CHECK;

/* The interpreter thread's duty after gpy_start, without the GIL: looks after limits of time, and
 * has stops raised. Never returns. */
_Noreturn void gpy_serve(void);

/* Raises the stop exception in threads whose gstop is wanted, on an attached thread of its own.
 * Never returns. */
_Noreturn void gpy_raise(void);

/* Drops discarded references, on an attached thread of its own, since their ends may run code of
 * scripts, which is stopped if it takes long. Never returns. */
_Noreturn void gpy_reap(void);

/* Makes the calling thread one that may run Python: call once, after gpy_start succeeded. */
void gpy_thread_attach(void);

/* ---- references ---- */

/* Has a Python reference dropped, soon. NULL is ignored. Any thread. */
void gpy_discard(void *object);

/* ---- work: on an attached thread, without the GIL and without the token ---- */

/* Runs a script's body: fills script->outcome, script->error, script->exec and the list of
 * registrations it asked for. */
void gpy_run_script(struct gscript *script);

/* Where an execution's records come from, if not from its plan's reader: the words of a trigger, a
 * keyspace event, or the entries of a stream. */
struct gpy_input {
    const struct arg *words; /* the record is the list of them; NULL: an event, or a time */
    int word_count;
    /* The four parts of a KeysReader's record. */
    struct view event, key;
    int type;         /* enum gread_type */
    struct gread_batch *value; /* record 0 of a batch that was read at the event, or NULL */
    bool has_value;   /* read_value */
    bool has_old;     /* old_value: that of a key that is gone is the record behind it, if any */
    /* A part of a batch of a stream's entries; NULL: none of this. */
    const struct gread_batch *entries;
    size_t first_entry, entry_count;
    uint8_t *failed_entries; /* one for each: becomes 1 if an error comes from it alone */
    bool all_entries;        /* go on behind an error */
    size_t *given_entries;   /* how many were begun, for who asks when it has ended */
    /* Somebody waits for the end who can't be made to wait longer: no record may wait at a step. */
    bool must_end;
    int64_t time_ms;  /* not 0: a TimeReader's record, the moment that it is about */
    /* What it runs for; an execution that is made beforehand has got them already. */
    const struct ghook_place *hook; /* in the place of a command, or NULL */
    struct ghold *hold;             /* the command that waits for it, or NULL */
    unsigned generation; /* of the event, in its unit */
    const struct gorigin *origin; /* what led to it; gears/gorigin.h. NULL: nothing */
};

/*
 * Runs an execution to its end (true: results and errors are in it), or until nothing is left to do
 * but wait for records whose steps have promised a result for later (false: it is paused, grun.h).
 * `input` NULL: its reader; of an input only its entries are needed after
 * the first call, until the end. With `unit` not
 * NULL the caller holds the token for the whole call, and commands join the unit.
 */
bool gpy_run_exec(struct gexec *e, const struct gpy_input *input, struct kv_unit *unit,
                  unsigned depth) MUST_CHECK;

/* Goes on with a paused execution, as gpy_run_exec. */
bool gpy_resume_exec(struct gexec *e) MUST_CHECK;

/* Takes the GIL, for several calls in a row; false if this thread has it already. gpy_release gets
 * the answer. */
bool gpy_hold(void);
void gpy_release(bool took);

/* Between two pieces of work with the GIL: stands before the gate, if it is closed. */
void gpy_pass_gate(void);

/*
 * The gate before the GIL. While it is closed, threads that are to run Python for nobody who waits
 * stand before it instead of asking for the GIL: at each batch of records and each execute(). So
 * whoever closed it is next, and isn't made to give the GIL up again. Nobody stands there for
 * longer than some 50 ms, with or without the gate's being opened, and nobody who holds the data
 * token does. Any thread.
 */
void gpy_gate_close(void);
void gpy_gate_open(void);

/* The calling thread never stands before the gate: it works for somebody who waits, with this hold
 * of the data token, which that has lent. */
void gpy_thread_is_first(struct token_hold *hold);

/* Ends the calling thread as one that may run Python; with the GIL, which it gives up. */
void gpy_thread_detach(void);

/* Within a command (execute(), a job): gives up the GIL until gpy_takes_back, which who runs the
 * command calls when the token has been given back, or the thread is out of its hold of it. False:
 * an object is made for code that is to run, or ends, and it keeps the GIL. With both. */
bool gpy_lets_go(void);
/* Has the GIL again, if it let go of it. */
void gpy_takes_back(void);

/* Takes the data token on an attached thread, when clients aren't paused; a thread that has the GIL
 * gives it up while it waits. STATUS_ABORTED once the flag (may be NULL) is set. */
enum status gpy_token_take(const atomic_bool *abort_flag) MUST_CHECK;

/* Calls a function without arguments (onRegistered); errors are logged. It runs under the stop and
 * the limits of `script`, whose client is told if it can't be ended; NULL: under whatever runs here
 * already. Its own limits met don't concern the script's next call. */
void gpy_call_logged(void *function, struct gsession *session, struct gscript *script);

/* What the profilers of a session have seen, sorted by `order`, as text; or, with NULL, forgets it.
 * False: `out` has the text of a failure. */
bool gpy_profile(struct gsession *session, const char *order, struct buf *out);

/* ---- any thread ---- */

/* Fills the members of an api for extensions that deal with values; false without Python. */
bool gpy_fill_api(struct gears_api *api);

/* Stops what runs under `stop`, soon: sets the flag and has the interpreter thread raise
 * gears.forcestopped there until it has ended. */
void gpy_stop(struct gstop *stop);

/* As gpy_stop, because a limit was met, of which the error tells then. */
void gpy_stop_for(struct gstop *stop, enum glimit limit);

/* Has the interpreter's thread look around (gsync_watch, gwatch_look). */
void gpy_wake(void);

/* Whether the calling thread has the GIL (so a sync callback runs here and now). */
bool gpy_has_gil(void);

/* Whether the calling thread is one that may run Python, and so not main. */
bool gpy_thread_is_attached(void);

/* Threads that programs have started, and that haven't ended. */
size_t gpy_program_threads(void);

/* Bytes that Python holds, the most that it held, and all that it ever asked for. */
size_t gpy_memory_used(void);
size_t gpy_memory_total(void);
size_t gpy_memory_peak(void);

/* Above this many bytes Python gets MemoryError. 0: no limit. */
void gpy_memory_limit(size_t bytes);

/* The path of the program that belongs to this Python; false if it isn't where it should be. */
bool gpy_program(char *out, size_t size);

/* "3.11.2"; "none" without Python. */
const char *gpy_version(void);

#endif
