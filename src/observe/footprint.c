/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the memory in use is for; see footprint.h. Nothing is counted here: the allocator, the
 * clients, the tables and whoever attached himself are asked.
 */
#include "observe/footprint.h"

#include "keyspace/keyspace.h"

static struct {
    size_t (*parts[FOOTPRINT_PART_COUNT])(void);
    size_t startup;
} footprint;

void footprint_attach(enum footprint_part part, size_t (*bytes)(void))
{
    footprint.parts[part] = bytes;
}

void footprint_started(void)
{
    footprint.startup = mem_used();
}

static void take_databases(struct footprint *f)
{
    for (int i = 0; i < kv_db_count(); i++) {
        const struct table *keys = &kv_db(i)->keys;
        f->tables += table_memory(keys);
        f->keys += table_count(keys);
    }
}

static void take_clients(struct footprint *f)
{
    struct client_stats stats;
    client_stats(&stats, true);
    const struct client_walk *walk = &stats.walk;
    f->parts[FOOTPRINT_CLIENTS] = walk->memory - walk->replicas_memory;
    f->parts[FOOTPRINT_REPLICAS] = walk->replicas_memory;
    f->clients = stats.connected > walk->replicas ? stats.connected - walk->replicas : 0;
    f->replicas = walk->replicas;
}

void footprint_take(struct footprint *out)
{
    struct footprint f = {.startup = footprint.startup, .rss = mem_rss()};
    mem_stats(&f.mem);
    f.peak = mem_peak();
    take_databases(&f);
    take_clients(&f);
    f.overhead = f.startup + f.tables;
    for (int i = 0; i < FOOTPRINT_PART_COUNT; i++) {
        if (footprint.parts[i]) f.parts[i] += footprint.parts[i]();
        f.overhead += f.parts[i];
    }
    f.dataset = f.mem.used > f.overhead ? f.mem.used - f.overhead : 0;
    *out = f;
}

double footprint_ratio(size_t a, size_t b)
{
    return b ? (double)a / (double)b : 0;
}

double footprint_dataset_percent(const struct footprint *f)
{
    size_t used = f->mem.used;
    return used > f->startup ? footprint_ratio(f->dataset, used - f->startup) * 100 : 0;
}

double footprint_peak_percent(const struct footprint *f)
{
    return footprint_ratio(f->mem.used, f->peak) * 100;
}
