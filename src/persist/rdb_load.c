/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading RDB files; see rdb_load.h, and rdb_format.h for the bytes. rdb_read knows the format and
 * hands out what it finds; loading is one visitor of it, the checker (check_rdb.c) another.
 *
 *   header -> opcode … -> key -> … -> EOF -> checksum
 */
#include "persist/rdb_load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "exec/loading.h"
#include "persist/rdb_format.h"
#include "persist/rdb_value.h"
#include "persist/settings.h"

/* A table is given room for so many keys at most on a file's word. */
#define RESIZE_MAX ((size_t)1 << 26)

struct reader {
    struct stream_in *in;
    const struct rdb_visitor *visitor;
    struct rdb_error *error;
    int version;
    struct rdb_text name, other;
    struct rdb_value value;
    struct rdb_key key;
};

static enum status fail(struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static enum status fail(struct reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->error->text, sizeof(r->error->text), fmt, args);
    va_end(args);
    r->error->offset = stream_in_offset(r->in);
    return STATUS_SYNTAX;
}

/* What a reading function's failure means. */
static enum status read_failed(struct reader *r, enum status status, const char *what)
{
    switch (status) {
    case STATUS_CLOSED: return fail(r, "unexpected end of the file in %s", what);
    case STATUS_IO: return fail(r, "can't read the file: %s", strerror(errno));
    case STATUS_NOMEM: return fail(r, "no memory for %s", what);
    case STATUS_TYPE: return fail(r, "unknown type %u of a value", r->key.type);
    default: return fail(r, "%s isn't well-formed", what);
    }
}

static enum status read_le(struct reader *r, size_t bytes, uint64_t *n_out)
{
    uint8_t b[8];
    enum status status = stream_read(r->in, b, bytes);
    if (status) return read_failed(r, status, "a number");
    *n_out = 0;
    while (bytes--) *n_out = *n_out << 8 | b[bytes];
    return STATUS_OK;
}

static enum status read_length(struct reader *r, uint64_t *n_out)
{
    enum status status = rdb_read_length(r->in, n_out);
    return status ? read_failed(r, status, "a length") : STATUS_OK;
}

static enum status read_header(struct reader *r)
{
    char head[RDB_HEADER_BYTES];
    enum status status = stream_read(r->in, head, sizeof(head));
    if (status) return read_failed(r, status, "the header");
    if (memcmp(head, RDB_MAGIC, RDB_MAGIC_BYTES))
        return fail(r, "Wrong signature trying to load DB from file");
    int64_t version;
    struct view digits = view_of(head + RDB_MAGIC_BYTES, 4);
    while (digits.len > 1 && *digits.ptr == '0') digits.ptr++, digits.len--;
    if (num_parse_i64(digits, &version) || version < 1 || version > RDB_VERSION_MAX)
        return fail(r, "Can't handle RDB format version %.4s", head + RDB_MAGIC_BYTES);
    r->version = (int)version;
    return STATUS_OK;
}

static enum status read_aux(struct reader *r)
{
    enum status status = rdb_read_text_kept(r->in, &r->name);
    if (!status) status = rdb_read_text(r->in, &r->other);
    if (status) return read_failed(r, status, "an AUX field");
    if (r->visitor->aux) r->visitor->aux(r->visitor->ctx, r->name.bytes, r->other.bytes);
    return STATUS_OK;
}

static enum status read_select(struct reader *r)
{
    if (read_length(r, &r->key.db)) return STATUS_SYNTAX;
    if (!r->visitor->select || !r->visitor->select(r->visitor->ctx, r->key.db)) return STATUS_OK;
    r->error->offset = stream_in_offset(r->in);
    return STATUS_SYNTAX;
}

static enum status read_resize(struct reader *r)
{
    uint64_t keys, volatile_keys;
    if (read_length(r, &keys) || read_length(r, &volatile_keys)) return STATUS_SYNTAX;
    /* Each key has a type, a length and a value of a byte at least. */
    if (keys > stream_in_left(r->in) / 3) return fail(r, "more keys claimed than can follow");
    if (r->visitor->resize) r->visitor->resize(r->visitor->ctx, r->key.db, (size_t)keys);
    return STATUS_OK;
}

static enum status read_key(struct reader *r, uint8_t type)
{
    r->key.type = type;
    enum status status = rdb_read_text_kept(r->in, &r->name);
    if (status) return read_failed(r, status, "a key");
    status = rdb_value_load(type, r->in, &r->value);
    if (status && status != STATUS_NOT_FOUND) return read_failed(r, status, "a value");
    if (!status) {
        r->key.name = arg_of_view(r->name.bytes);
        if (r->visitor->key(r->visitor->ctx, &r->key)) {
            r->error->offset = stream_in_offset(r->in);
            return STATUS_SYNTAX;
        }
    }
    r->key.expire_ms = r->key.idle_s = r->key.freq = -1;
    return STATUS_OK;
}

/* An opcode but EOF, or a key. */
static enum status read_item(struct reader *r, uint8_t op)
{
    uint64_t n;
    switch (op) {
    case RDB_OP_AUX: return read_aux(r);
    case RDB_OP_RESIZEDB: return read_resize(r);
    case RDB_OP_SELECTDB: return read_select(r);
    case RDB_OP_FREQ:
        if (read_le(r, 1, &n)) return STATUS_SYNTAX;
        r->key.freq = (int)n;
        return STATUS_OK;
    case RDB_OP_IDLE:
        if (read_length(r, &n)) return STATUS_SYNTAX;
        r->key.idle_s = (int64_t)(n & INT64_MAX);
        return STATUS_OK;
    case RDB_OP_EXPIRETIME:
        if (read_le(r, 4, &n)) return STATUS_SYNTAX;
        r->key.expire_ms = (int64_t)(int32_t)(uint32_t)n * 1000;
        return STATUS_OK;
    case RDB_OP_EXPIRETIME_MS:
        if (read_le(r, 8, &n)) return STATUS_SYNTAX;
        r->key.expire_ms = (int64_t)n;
        return STATUS_OK;
    case RDB_OP_FUNCTION2: return fail(r, "it holds functions, which this version doesn't have");
    case RDB_OP_FUNCTION_PRE_GA: return fail(r, "Pre-release function format not supported");
    case RDB_OP_MODULE_AUX: return fail(r, "it holds data of a module");
    default: return read_key(r, op);
    }
}

static enum status read_checksum(struct reader *r)
{
    uint64_t said = 0, is = stream_in_crc(r->in);
    if (r->version < RDB_CHECKSUM_SINCE) return STATUS_OK;
    if (read_le(r, RDB_CHECKSUM_BYTES, &said)) return STATUS_SYNTAX;
    bool verify = r->in->want_crc && said != 0 && !persist_settings.skip_checksums;
    if (!verify || said == is) {
        if (r->visitor->checksum) r->visitor->checksum(r->visitor->ctx, verify);
        return STATUS_OK;
    }
    return fail(r, "Wrong RDB checksum expected: (%llx) but got (%llx). Aborting now.",
                (unsigned long long)said, (unsigned long long)is);
}

static enum status read_all(struct reader *r)
{
    if (read_header(r)) return STATUS_SYNTAX;
    for (;;) {
        uint8_t op;
        enum status status = stream_read_u8(r->in, &op);
        if (status) return read_failed(r, status, "the file");
        if (op == RDB_OP_EOF) return read_checksum(r);
        if (read_item(r, op)) return STATUS_SYNTAX;
    }
}

enum status rdb_read(struct stream_in *in, const struct rdb_visitor *visitor,
                     struct rdb_error *error)
{
    struct reader r = {.in = in, .visitor = visitor, .error = error,
                       .key = {.expire_ms = -1, .idle_s = -1, .freq = -1}};
    *error = (struct rdb_error){0};
    r.key.value = &r.value;
    enum status status = read_all(&r);
    rdb_text_release(&r.name);
    rdb_text_release(&r.other);
    rdb_value_release(&r.value);
    return status;
}

/* ---- loading ---- */

/*
 * Keys that were read wait in a ring until so many more have been read, while the cache fetches
 * their buckets: the table is large and cold, the file is in no order, and a lookup that waits for
 * memory takes longer than all else that is done for a small key. What is too long to be copied
 * isn't worth it, and is stored at once, behind those that wait.
 */
#define WAITING_MAX 16
#define WAITING_BYTES 232 /* of name and string */

struct waiting {
    struct rdb_key key; /* its name and a string lie in `bytes` */
    struct rdb_value value;
    char bytes[WAITING_BYTES];
};

struct loader {
    struct stream_in *in;
    struct kv_unit unit;
    bool merge, given_up;
    uint64_t serve_at; /* offset at which clients are served again */
    unsigned oldest, waiting_count;
    struct waiting waiting[WAITING_MAX];
    struct rdb_load_result *result;
    struct rdb_error *error;
};

/* True if the load goes on. */
static bool serve_if_due(struct loader *l)
{
    uint64_t offset = stream_in_offset(l->in);
    l->result->bytes = offset;
    if (likely(offset < l->serve_at)) return true;
    l->serve_at = offset + (uint64_t)persist_settings.serve_interval_bytes;
    l->given_up = !loading_serve();
    return !l->given_up;
}

static bool load_progress(void *ctx, uint64_t offset)
{
    UNUSED(offset);
    return serve_if_due(ctx);
}

static void load_aux(void *ctx, struct view name, struct view value)
{
    struct loader *l = ctx;
    int64_t number;
    if (view_eq_cstr(name, "redis-ver")) {
        log_notice("Loading RDB produced by version %.*s", (int)MIN(value.len, 100), value.ptr);
    } else if (view_eq_cstr(name, "ctime") && !num_parse_i64(value, &number)) {
        int64_t age_s = clock_wall_ms() / 1000 - number;
        log_notice("RDB age %lld seconds", (long long)MAX(age_s, 0));
    } else if (view_eq_cstr(name, "used-mem") && !num_parse_i64(value, &number)) {
        l->result->used_mem = (uint64_t)MAX(number, 0);
        log_notice("RDB memory usage when created %.2f Mb", (double)number / (1024 * 1024));
    }
}

static enum status load_select(void *ctx, uint64_t db)
{
    struct loader *l = ctx;
    if (db < INT_MAX && kv_db((int64_t)db)) return STATUS_OK;
    snprintf(l->error->text, sizeof(l->error->text), "database %llu isn't configured",
             (unsigned long long)db);
    return STATUS_ERR;
}

static void load_resize(void *ctx, uint64_t db, size_t keys)
{
    UNUSED(ctx);
    if (keys) table_reserve(&kv_db((int64_t)db)->keys, MIN(keys, RESIZE_MAX));
}

static enum status load_refuse_duplicate(struct loader *l, const struct rdb_key *key)
{
    snprintf(l->error->text, sizeof(l->error->text), "RDB has duplicated key '%.*s' in DB %llu",
             (int)MIN(key->name.len, 100), key->name.ptr, (unsigned long long)key->db);
    return STATUS_ERR;
}

static enum status load_store(struct loader *l, struct rdb_key *key)
{
    struct kv_db *db = kv_db((int64_t)key->db);
    if (kv_peek_expired(db, &key->name)) {
        if (!l->merge) return load_refuse_duplicate(l, key);
        kv_delete(&l->unit, db, &key->name, true);
    }
    struct kv_entry *e = rdb_value_store(key->value, &l->unit, db, &key->name);
    if (key->expire_ms != -1) e = kv_expire_set(&l->unit, db, &key->name, e, key->expire_ms);
    if (kv_counts_accesses()) {
        if (key->freq >= 0) kv_freq_set(e, key->freq);
    } else if (key->idle_s >= 0) {
        kv_idle_set(e, key->idle_s);
    }
    l->result->loaded++;
    persist__delay(persist_settings.key_load_delay_us, l->result->loaded);
    return STATUS_OK;
}

static enum status load_oldest(struct loader *l)
{
    struct rdb_key *key = &l->waiting[l->oldest].key;
    l->oldest = (l->oldest + 1) % WAITING_MAX;
    l->waiting_count--;
    enum status status = load_store(l, key);
    if (status) rdb_value_discard(key->value);
    return status;
}

static enum status load_waiting(struct loader *l)
{
    enum status status = STATUS_OK;
    while (l->waiting_count && !status) status = load_oldest(l);
    return status;
}

/* What waited behind a failure. */
static void discard_waiting(struct loader *l)
{
    for (; l->waiting_count; l->waiting_count--) {
        rdb_value_discard(&l->waiting[l->oldest].value);
        l->oldest = (l->oldest + 1) % WAITING_MAX;
    }
}

/* Takes a key with its value; they fit. */
static void load_later(struct loader *l, struct rdb_key *key)
{
    struct waiting *w = &l->waiting[(l->oldest + l->waiting_count++) % WAITING_MAX];
    struct view text = key->value->text.bytes;
    w->key = *key;
    if (key->name.len) memcpy(w->bytes, key->name.ptr, key->name.len); /* the empty name is NULL */
    w->key.name.ptr = w->bytes;
    w->key.value = &w->value;
    w->value.v = key->value->v;
    if (w->value.v.type == TYPE_STRING) {
        if (text.len) memcpy(w->bytes + key->name.len, text.ptr, text.len);
        w->value.text.bytes = view_of(w->bytes + key->name.len, text.len);
    }
    key->value->v = (struct value){.type = TYPE_STRING};
    kv_prefetch_bucket(kv_db((int64_t)key->db), &w->key.name);
}

static enum status load_key(void *ctx, struct rdb_key *key)
{
    struct loader *l = ctx;
    bool is_string = key->value->v.type == TYPE_STRING;
    if (key->expire_ms != -1 && key->expire_ms < l->unit.now_ms) {
        l->result->expired++;
        rdb_value_discard(key->value);
        return STATUS_OK;
    }
    size_t room = WAITING_BYTES;
    if (key->name.len > room || (is_string && key->value->text.bytes.len > room - key->name.len)) {
        enum status status = load_waiting(l);
        if (!status) status = load_store(l, key);
        if (status) return status;
    } else {
        if (l->waiting_count == WAITING_MAX && load_oldest(l)) return STATUS_ERR;
        load_later(l, key);
    }
    return serve_if_due(l) ? STATUS_OK : STATUS_ABORTED;
}

static enum status load_stream(struct stream_in *in, bool merge, struct rdb_load_result *result)
{
    struct rdb_error error;
    /* What is loaded isn't news: nobody is told of keys that were there before. */
    struct loader l = {.in = in, .merge = merge, .result = result, .error = &error,
                       .unit = {.now_ms = clock_wall_ms(),
                                .flags = KV_UNIT_NO_EXPIRE | KV_UNIT_SILENT},
                       .serve_at = (uint64_t)persist_settings.serve_interval_bytes};
    const struct rdb_visitor visitor = {
        .aux = load_aux, .select = load_select, .resize = load_resize, .key = load_key, .ctx = &l};
    in->progress = load_progress;
    in->progress_ctx = &l;
    result->total_bytes = in->total;
    loading_begin();
    enum status status = rdb_read(in, &visitor, &error);
    if (!status) status = load_waiting(&l);
    discard_waiting(&l);
    loading_end();
    kv_unit_release(&l.unit);
    if (l.given_up) {
        log_notice("Loading is given up, since the server ends.");
        return STATUS_ABORTED;
    }
    if (status)
        log_warning("Error loading the RDB file at offset %llu: %s",
                    (unsigned long long)error.offset, error.text);
    else
        log_notice("Done loading RDB, keys loaded: %llu, keys expired: %llu.",
                   (unsigned long long)result->loaded, (unsigned long long)result->expired);
    return status;
}

enum status rdb_load_file(const char *name, bool merge, struct rdb_load_result *result)
{
    struct stream_in in;
    *result = (struct rdb_load_result){0};
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT) return STATUS_NOT_FOUND;
        log_warning("Fatal error: can't open the RDB file %s for reading: %s", name,
                    strerror(errno));
        return STATUS_IO;
    }
    stream_in_fd(&in, fd, persist_settings.checksum);
    enum status status = load_stream(&in, merge, result);
    stream_in_release(&in);
    close(fd);
    return status;
}
