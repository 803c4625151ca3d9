/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MEMORY: what a key costs, what all of it is for, what may be wrong with it, and what the
 * allocator says and gives back. The figures are observe/footprint.h's and the allocator's.
 *
 * Thread: the holder of the data token.
 */
#include <stdio.h>

#include "commands_table.h"
#include "exec/reply.h"
#include "observe/footprint.h"

#define SAMPLES_DEFAULT 5

/* ---- USAGE ---- */

static enum status parse_samples(struct exec_ctx *ctx, size_t *samples)
{
    int64_t count = SAMPLES_DEFAULT;
    for (int i = 3; i < ctx->argc; i += 2) {
        if (!arg_is(&ctx->argv[i], "samples") || i + 1 == ctx->argc)
            return reply_syntax_error(ctx);
        if (arg_i64(ctx, i + 1, &count)) return STATUS_ERR;
        if (count < 0) return reply_syntax_error(ctx);
    }
    *samples = count ? (size_t)count : SIZE_MAX;
    return STATUS_OK;
}

/* As in stock, an entry whose time has come has its size until it is deleted, and asking for it
 * leaves no trace. */
enum status cmd_memory_usage(struct exec_ctx *ctx)
{
    size_t samples = 0;
    if (parse_samples(ctx, &samples)) return STATUS_ERR;
    const struct kv_entry *e = kv_peek_expired(ctx->db, &ctx->argv[2]);
    if (e) {
        reply_int(ctx, (int64_t)kv_entry_memory(e, samples));
    } else {
        reply_null(ctx);
    }
    return STATUS_OK;
}

/* ---- STATS ---- */

static void stat_int(struct exec_ctx *ctx, const char *name, int64_t n)
{
    reply_bulk_cstr(ctx, name);
    reply_int(ctx, n);
}

static void stat_size(struct exec_ctx *ctx, const char *name, size_t n)
{
    stat_int(ctx, name, (int64_t)n);
}

static void stat_double(struct exec_ctx *ctx, const char *name, double d)
{
    reply_bulk_cstr(ctx, name);
    reply_double(ctx, d);
}

/* How much more `a` is than `b`, as a ratio and in bytes. */
static void stat_excess(struct exec_ctx *ctx, const char *ratio, const char *bytes, size_t a,
                        size_t b)
{
    stat_double(ctx, ratio, footprint_ratio(a, b));
    stat_int(ctx, bytes, (int64_t)a - (int64_t)b);
}

static size_t databases_in_use(void)
{
    size_t n = 0;
    for (int i = 0; i < kv_db_count(); i++) n += table_count(&kv_db(i)->keys) > 0;
    return n;
}

/* An expiry lies in its entry, and so does all that belongs to a slot: no tables but the one. */
static void stats_databases(struct exec_ctx *ctx)
{
    for (int i = 0; i < kv_db_count(); i++) {
        const struct table *keys = &kv_db(i)->keys;
        char name[16];
        if (!table_count(keys)) continue;
        snprintf(name, sizeof(name), "db.%d", i);
        reply_bulk_cstr(ctx, name);
        reply_map(ctx, 3);
        stat_size(ctx, "overhead.hashtable.main", table_memory(keys));
        stat_int(ctx, "overhead.hashtable.expires", 0);
        stat_int(ctx, "overhead.hashtable.slot-to-keys", 0);
    }
}

static void stats_parts(struct exec_ctx *ctx, const struct footprint *f)
{
    stat_size(ctx, "peak.allocated", f->peak);
    stat_size(ctx, "total.allocated", f->mem.used);
    stat_size(ctx, "startup.allocated", f->startup);
    stat_size(ctx, "replication.backlog", f->parts[FOOTPRINT_BACKLOG]);
    stat_size(ctx, "clients.slaves", f->parts[FOOTPRINT_REPLICAS]);
    stat_size(ctx, "clients.normal", f->parts[FOOTPRINT_CLIENTS]);
    stat_size(ctx, "cluster.links", f->parts[FOOTPRINT_CLUSTER]);
    stat_size(ctx, "aof.buffer", f->parts[FOOTPRINT_AOF]);
    stat_size(ctx, "lua.caches", f->parts[FOOTPRINT_SCRIPTS]);
    stat_size(ctx, "functions.caches", f->parts[FOOTPRINT_FUNCTIONS]);
}

static void stats_allocator(struct exec_ctx *ctx, const struct footprint *f)
{
    const struct mem_stats *mem = &f->mem;
    stat_size(ctx, "allocator.allocated", mem->allocated);
    stat_size(ctx, "allocator.active", mem->active);
    stat_size(ctx, "allocator.resident", mem->resident);
    stat_excess(ctx, "allocator-fragmentation.ratio", "allocator-fragmentation.bytes",
                mem->active, mem->allocated);
    stat_excess(ctx, "allocator-rss.ratio", "allocator-rss.bytes", mem->resident, mem->active);
    stat_excess(ctx, "rss-overhead.ratio", "rss-overhead.bytes", f->rss, mem->resident);
    stat_excess(ctx, "fragmentation", "fragmentation.bytes", f->rss, mem->used);
}

#define STATS_FIELDS 28 /* besides the databases */

enum status cmd_memory_stats(struct exec_ctx *ctx)
{
    struct footprint f;
    footprint_take(&f);
    size_t added = f.mem.used > f.startup ? f.mem.used - f.startup : 0;
    reply_map(ctx, STATS_FIELDS + databases_in_use());
    stats_parts(ctx, &f);
    stats_databases(ctx);
    stat_size(ctx, "overhead.total", f.overhead);
    stat_size(ctx, "keys.count", f.keys);
    stat_size(ctx, "keys.bytes-per-key", f.keys ? added / f.keys : 0);
    stat_size(ctx, "dataset.bytes", f.dataset);
    stat_double(ctx, "dataset.percentage", footprint_dataset_percent(&f));
    stat_double(ctx, "peak.percentage", footprint_peak_percent(&f));
    stats_allocator(ctx, &f);
    stat_size(ctx, "gears.python", f.parts[FOOTPRINT_PYTHON]); /* stock's come first */
    return STATUS_OK;
}

/* ---- DOCTOR ---- */

#define MB ((size_t)1024 * 1024)
#define DOCTOR_LEAST    (5 * MB)   /* with less in use nothing is worth a finding */
#define DOCTOR_EXCESS   (10 * MB)  /* nor is a ratio that stands for less */
#define DOCTOR_CLIENT   (200 * 1024)
#define DOCTOR_REPLICA  (10 * MB)

static bool exceeds(size_t a, size_t b, double ratio)
{
    return a > b && a - b > DOCTOR_EXCESS && footprint_ratio(a, b) > ratio;
}

static void find_peak(const struct footprint *f, struct buf *out)
{
    if (!exceeds(f->peak, f->mem.used, 1.5)) return;
    buf_printf(out,
               " * Peak: at its peak the server had %.1f times the memory that it uses now. The "
               "system may still count what was given back as the process's; MEMORY PURGE "
               "returns it.\n",
               footprint_ratio(f->peak, f->mem.used));
}

static void find_fragmentation(const struct footprint *f, struct buf *out)
{
    const struct mem_stats *mem = &f->mem;
    if (exceeds(f->rss, mem->used, 1.4))
        buf_printf(out,
                   " * Resident memory: the process occupies %.2f times what it has in use. The "
                   "findings below, if any, say where the difference is.\n",
                   footprint_ratio(f->rss, mem->used));
    if (exceeds(mem->active, mem->allocated, 1.1))
        buf_printf(out,
                   " * Fragmentation: the pages in use hold %.2f times what is in use on them, "
                   "as happens when many values were deleted or have changed their size.\n",
                   footprint_ratio(mem->active, mem->allocated));
    if (exceeds(mem->resident, mem->active, 1.1))
        buf_printf(out,
                   " * Free pages: the allocator keeps %.2f times the pages that it uses. MEMORY "
                   "PURGE returns the others.\n",
                   footprint_ratio(mem->resident, mem->active));
    if (exceeds(f->rss, mem->resident, 1.1))
        buf_printf(out,
                   " * Memory of others: the process occupies %.2f times what the allocator "
                   "knows of. Libraries and stacks of threads are usual, a leak is possible.\n",
                   footprint_ratio(f->rss, mem->resident));
}

static void find_buffers(const struct footprint *f, struct buf *out)
{
    size_t clients = f->parts[FOOTPRINT_CLIENTS], replicas = f->parts[FOOTPRINT_REPLICAS];
    if (f->clients && clients / f->clients > DOCTOR_CLIENT)
        buf_printf(out,
                   " * Clients: their buffers take %zu KB each on the mean. Perhaps some of them "
                   "don't read their replies, or send very long pipelines; CLIENT LIST shows "
                   "which (omem, qbuf).\n",
                   clients / f->clients / 1024);
    if (f->replicas && replicas / f->replicas > DOCTOR_REPLICA)
        buf_printf(out,
                   " * Replicas: their buffers take %zu MB each on the mean. They don't read as "
                   "fast as data changes here.\n",
                   replicas / f->replicas / MB);
}

static void find_python(const struct footprint *f, struct buf *out)
{
    size_t python = f->parts[FOOTPRINT_PYTHON];
    if (python < DOCTOR_EXCESS || python < f->mem.used / 2) return;
    buf_printf(out,
               " * Python: gears programs hold %zu MB, more than half of what is in use. "
               "RG.PYDUMPSESSIONS shows what was loaded; gears-max-memory sets a limit.\n",
               python / MB);
}

enum status cmd_memory_doctor(struct exec_ctx *ctx)
{
    struct footprint f;
    struct buf found = {0}, text = {0};
    footprint_take(&f);
    find_peak(&f, &found);
    find_fragmentation(&f, &found);
    find_buffers(&f, &found);
    find_python(&f, &found);
    if (f.mem.used < DOCTOR_LEAST)
        buf_append_cstr(&text, "This server is empty, or uses so little memory that nothing can "
                               "be said about it. Ask again when there is data.\n");
    else if (!found.len)
        buf_append_cstr(&text, "No problem with memory was found.\n");
    else
        buf_printf(&text, "This was found:\n\n%.*s", (int)MIN(found.len, 8192u), found.ptr);
    reply_verbatim(ctx, "txt", text.ptr, text.len);
    buf_release(&found);
    buf_release(&text);
    return STATUS_OK;
}

/* ---- the allocator ---- */

enum status cmd_memory_purge(struct exec_ctx *ctx)
{
    mem_purge();
    reply_ok(ctx);
    return STATUS_OK;
}

static void append_piece(void *ctx, const char *text)
{
    buf_append_cstr(ctx, text);
}

enum status cmd_memory_malloc_stats(struct exec_ctx *ctx)
{
    struct buf text = {0};
    mem_report(append_piece, &text);
    reply_verbatim(ctx, "txt", text.ptr, text.len);
    buf_release(&text);
    return STATUS_OK;
}

enum status cmd_memory_help(struct exec_ctx *ctx)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    What may be wrong with the use of memory.",
        "MALLOC-STATS",
        "    The allocator's report on itself.",
        "PURGE",
        "    Gives memory that isn't used back to the system.",
        "STATS",
        "    How much memory is used, and what for.",
        "USAGE <key> [SAMPLES <count>]",
        "    Bytes that <key> takes with its value. At most <count> parts of a collection are",
        "    looked at (default: 5; 0: all).",
        NULL,
    };
    reply_help(ctx, lines);
    return STATUS_OK;
}
