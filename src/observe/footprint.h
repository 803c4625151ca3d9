/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the memory in use is for: the figures of INFO memory and of the MEMORY commands, taken at
 * one moment.
 *
 *   used = startup + parts (clients, buffers, interpreters …) + tables of the databases + dataset
 *
 * All but the dataset is called overhead, as stock does. A service that holds memory of a kind that
 * stock reports attaches a function that tells how much.
 *
 * Thread: the holder of the data token; attaching: main, at boot.
 */
#ifndef OBSERVE_FOOTPRINT_H
#define OBSERVE_FOOTPRINT_H

#include "base/mem.h"
#include "exec/client.h"

enum footprint_part {
    FOOTPRINT_BACKLOG,   /* of replication */
    FOOTPRINT_REPLICAS,  /* their clients */
    FOOTPRINT_CLIENTS,   /* all others */
    FOOTPRINT_CLUSTER,   /* links of the cluster's bus */
    FOOTPRINT_AOF,       /* what isn't written yet */
    FOOTPRINT_SCRIPTS,   /* cached scripts */
    FOOTPRINT_FUNCTIONS, /* libraries of functions */
    FOOTPRINT_PYTHON,    /* all that gears' interpreter holds */
    FOOTPRINT_PART_COUNT
};

struct footprint {
    struct mem_stats mem;
    size_t peak, rss, startup;
    size_t parts[FOOTPRINT_PART_COUNT];
    size_t tables, keys; /* of all databases */
    size_t overhead, dataset;
    size_t clients, replicas; /* how many there are */
};

/* Tells how much a part holds, in bytes. */
void footprint_attach(enum footprint_part part, size_t (*bytes)(void));

/* What is in use now is what an empty server needs. */
void footprint_started(void);

/* Takes all figures. Looks at every client. */
void footprint_take(struct footprint *out);

/* Percent: the dataset of what was added since the start; what is in use of its peak. */
double footprint_dataset_percent(const struct footprint *f);
double footprint_peak_percent(const struct footprint *f);

/* a / b; 0 if there is no b. */
double footprint_ratio(size_t a, size_t b);

#endif
