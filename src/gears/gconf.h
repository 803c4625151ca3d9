/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The settings of gears, under two roofs: options of the server (gears-…, in conf/option.h) and
 * the names that RG.CONFIGGET and RG.CONFIGSET know (MaxExecutions …). Both point at the same
 * variables. Names that neither knows are kept as texts, for configGet() of scripts.
 *
 * Main writes, under the data token, with gconf's mutex; gconf_text reads on any thread. What
 * work on other threads needs is copied when the work is made.
 */
#ifndef GEARS_GCONF_H
#define GEARS_GCONF_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

enum gconf_enable { GCONF_NO, GCONF_YES, GCONF_LOCAL };

struct gconf {
    int enable;                       /* enum gconf_enable: who may use RG commands */
    int64_t max_executions;           /* kept on the list */
    int64_t max_per_registration;     /* finished ones kept for each registration */
    int64_t threads;                  /* workers */
    int64_t max_idle_ms;              /* ExecutionMaxIdleTime */
    int64_t send_retries;             /* SendMsgRetries */
    int64_t install_idle_ms;          /* PythonInstallReqMaxIdleTime */
    int64_t event_backlog;            /* events that may wait for a registration */
    size_t event_backlog_memory;      /* and their bytes */
    int64_t max_generated;            /* records of one PythonReader; 0: any */
    size_t max_memory;                /* of Python, and of one execution's results; 0: any */
    int64_t max_time_ms;              /* limits of each execution, see gears/glimit.h; 0: none */
    int64_t max_python_ms;
    int64_t max_records;
    int64_t atomic_time_ms;
    size_t max_exec_memory;
    size_t max_result_bytes;
    int64_t sync_wait_ms;             /* how long a command waits for its callback to begin */
    int64_t sync_time_ms;             /* how long such a callback may run */
    int64_t max_program_threads;      /* that programs may have alive; 0: any */
    int64_t max_failures;             /* in a row, before a registration is paused; 0: any */
    bool profile;
    bool traceback;
    bool cancel_on_disconnect;
};
extern struct gconf gconf;

/* Registers the option rows and metrics. Main, at boot. */
void gconf_register(void);

/* Makes the variables known to other threads, after the options were read. Main, at boot. */
void gconf_publish(void);

/* Frees the names that only scripts know. */
void gconf_teardown(void);

/* Appends a setting's value as text, for configGet(): STATUS_NOT_FOUND if no such name. Any
 * thread. */
enum status gconf_text(struct view name, struct buf *out) MUST_CHECK;

struct gexec_limits;
/* The limits that an execution made now takes along. Any thread. */
void gconf_limits(struct gexec_limits *out);
/* The same, for who holds the token: no lock is needed. */
void gconf_limits_held(struct gexec_limits *out);
size_t gconf_max_executions(void);
size_t gconf_max_per_registration(void);
int64_t gconf_sync_time_us(void);
int64_t gconf_max_failures(void);
int64_t gconf_max_program_threads(void);
size_t gconf_threads(void);

/* Sets a name of RG.CONFIGGET, case apart, or one that only scripts know, as the configuration is
 * read. STATUS_SYNTAX, STATUS_LIMIT … if it can't have that value. Main, at boot. */
enum status gconf_set_at_start(struct view name, struct view value) MUST_CHECK;

/* The name is another of an option of the server's. */
bool gconf_is_option(struct view name);

struct exec_ctx;
/* Replies one element of RG.CONFIGGET and RG.CONFIGSET. Main. */
void gconf_reply_get(struct exec_ctx *ctx, struct view name);
void gconf_reply_set(struct exec_ctx *ctx, struct view name, struct view value);

#endif
