/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an operator may set of clients and commands. The option rows in exec_options.c point here.
 * Main writes, under the data token; what another thread reads is copied to it.
 */
#ifndef EXEC_SETTINGS_H
#define EXEC_SETTINGS_H

#include "base/view.h"

enum client_class {
    CLIENT_CLASS_NORMAL,
    CLIENT_CLASS_REPLICA,
    CLIENT_CLASS_PUBSUB,
    CLIENT_CLASS_COUNT
};

/* client-output-buffer-limit of one class; 0 is no limit. */
struct output_limit {
    uint64_t hard_bytes, soft_bytes;
    int64_t soft_seconds;
};

/* maxmemory-clients: a percentage of maxmemory, or bytes; 0 and 0 is no limit. */
struct client_limit {
    unsigned percent;
    uint64_t bytes;
};

/* no, yes, local: who may use what is dangerous. */
enum exec_access {
    ACCESS_NO,
    ACCESS_YES,
    ACCESS_LOCAL
};

struct exec_settings {
    int io_threads;                 /* 1: main reads and writes by itself */
    bool io_threads_do_reads;       /* no: they write only */
    int io_threads_active;          /* enum io_activity; auto */
    int64_t maxclients;             /* 10000 */
    int64_t timeout_s;              /* 0: idle clients stay */
    int64_t tcp_keepalive_s;        /* 300 */
    bool protected_mode;            /* yes */
    uint64_t query_buffer_limit;    /* 1 GB */
    uint64_t proto_max_bulk_len;    /* 512 MB */
    struct output_limit output_limits[CLIENT_CLASS_COUNT];
    struct client_limit maxmemory_clients;
    int64_t busy_reply_threshold_ms; /* 5000; 0: never answer -BUSY */
    int enable_debug_command;       /* enum exec_access; no */
    int enable_protected_configs;   /* enum exec_access; no */
    int enable_module_command;      /* enum exec_access; no */
    bool cron_paused;               /* DEBUG PAUSE-CRON: no periodic work */
};

extern struct exec_settings exec_settings;

/* Registers the rows of all of the above, with their defaults. Main, at boot. */
void exec_options_register(void);

/* Registers INFO's rows of the data token. Main, at boot. */
void exec_metrics_register(void);

#endif
