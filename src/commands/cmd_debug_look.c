/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEBUG's looks inside: listpacks and quicklists on standard output, tables as counts, memory of
 * strings and clients, the allocator's own switches. Texts that tools read have stock's form; a
 * chain is what a slot is in stock, and times to live have no table, for they stand in the
 * entries.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/glob.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/quote.h"
#include "base/random.h"
#include "commands/debug.h"
#include "ds/listpack.h"
#include "ds/quicklist.h"
#include "ds/table.h"
#include "exec/client.h"
#include "exec/reply.h"
#include "keyspace/keyspace.h"
#include "types/hashed.h"
#include "types/list.h"
#include "types/zset.h"

/* ---- listpacks and quicklists ---- */

#define SHOWN_BYTES 40

static void print_element(struct view text)
{
    struct buf quoted = {0};
    quote_repr(&quoted, view_of(text.ptr, MIN(text.len, (size_t)SHOWN_BYTES)));
    printf("%.*s%s (%zu bytes)\n", (int)quoted.len, quoted.ptr,
           text.len > SHOWN_BYTES ? "..." : "", text.len);
    buf_release(&quoted);
}

static void print_listpack(const uint8_t *lp)
{
    printf("{listpack of %zu elements, %zu bytes}\n", listpack_count(lp), listpack_bytes(lp));
    size_t i = 0;
    for (const uint8_t *pos = listpack_first(lp); pos; pos = listpack_next(lp, pos)) {
        char digits[NUM_I64_LEN];
        printf("  %zu at %zu: ", i++, (size_t)(pos - lp));
        print_element(listpack_get_view(pos, digits));
    }
}

enum status debug_listpack(struct exec_ctx *ctx)
{
    const struct kv_entry *e = kv_peek_expired(ctx->db, &ctx->argv[2]);
    if (!e) return reply_no_such_key(ctx);
    if (kv_entry_enc(e) != ENC_LISTPACK)
        return reply_error(ctx, "Not a listpack encoded object.");
    print_listpack(kv_entry_value(e).ptr);
    fflush(stdout);
    reply_status(ctx, "Listpack structure printed on stdout");
    return STATUS_OK;
}

struct nodes {
    size_t count;
    bool elements; /* are shown too */
};

static void print_node(void *at, struct view block, bool plain)
{
    struct nodes *nodes = at;
    printf("{node %zu, %s, %zu bytes}\n", nodes->count++, plain ? "plain" : "packed", block.len);
    if (!nodes->elements) return;
    if (plain)
        print_element(block);
    else
        print_listpack((const uint8_t *)block.ptr);
}

enum status debug_quicklist(struct exec_ctx *ctx)
{
    const struct kv_entry *e = kv_peek_expired(ctx->db, &ctx->argv[2]);
    if (!e) return reply_no_such_key(ctx);
    if (kv_entry_enc(e) != ENC_QUICKLIST)
        return reply_error(ctx, "Not a quicklist encoded object.");
    int64_t full = 0; /* what isn't a number is zero, as in stock */
    if (ctx->argc > 3 && num_parse_i64(arg_view(&ctx->argv[3]), &full)) full = 0;
    struct nodes nodes = {.elements = full != 0};
    const struct quicklist *q = list_of(kv_entry_value(e));
    printf("{quicklist of %zu elements in %zu nodes, limit %d, depth %d}\n", quicklist_count(q),
           quicklist_nodes(q), quicklist_node_limit(q), quicklist_depth(q));
    quicklist_each_block(q, print_node, &nodes);
    fflush(stdout);
    reply_status(ctx, "Quicklist structure printed on stdout");
    return STATUS_OK;
}

enum status debug_packed_threshold(struct exec_ctx *ctx)
{
    uint64_t bytes;
    if (num_parse_memory(arg_view(&ctx->argv[2]), &bytes) || bytes >= UINT32_MAX)
        return reply_error(ctx, "argument must be a memory value bigger than 1 and smaller than "
                                "4gb");
    quicklist_plain_from(bytes);
    reply_ok(ctx);
    return STATUS_OK;
}

/* ---- tables ---- */

static void append_chains(const struct table_stats *s, struct buf *out)
{
    buf_append_cstr(out, "Hash table 0 stats (main hash table):\n");
    if (!s->entries) {
        buf_append_cstr(out, "No stats available for empty dictionaries\n");
        return;
    }
    size_t taken = s->buckets - s->by_entries[0];
    double mean = (double)s->entries / (double)MAX(taken, 1);
    buf_printf(out,
               " table size: %zu\n number of elements: %zu\n different slots: %zu\n"
               " max chain length: %zu\n avg chain length (counted): %.2f\n"
               " avg chain length (computed): %.2f\n Chain length distribution:\n",
               s->buckets, s->entries, taken, s->most, mean, mean);
    for (size_t i = 0; i < ARRAY_COUNT(s->by_entries); i++) {
        if (!s->by_entries[i]) continue;
        buf_printf(out, "   %s%zu: %zu (%.2f%%)\n",
                   i == ARRAY_COUNT(s->by_entries) - 1 ? ">= " : "", i, s->by_entries[i],
                   (double)s->by_entries[i] / (double)s->buckets * 100);
    }
}

static enum status reply_text(struct exec_ctx *ctx, struct buf *text)
{
    reply_verbatim(ctx, "txt", text->ptr, text->len);
    buf_release(text);
    return STATUS_OK;
}

enum status debug_htstats(struct exec_ctx *ctx)
{
    int64_t id;
    if (arg_i64(ctx, 2, &id)) return STATUS_ERR;
    struct kv_db *db = kv_db(id);
    if (!db) return reply_error(ctx, "Out of range database");
    struct table_stats stats;
    struct buf text = {0};
    table_stats(&db->keys, &stats);
    buf_append_cstr(&text, "[Dictionary HT]\n");
    append_chains(&stats, &text);
    stats = (struct table_stats){0};
    buf_append_cstr(&text, "[Expires HT]\n");
    append_chains(&stats, &text);
    return reply_text(ctx, &text);
}

enum status debug_htstats_key(struct exec_ctx *ctx)
{
    const struct kv_entry *e = kv_peek_expired(ctx->db, &ctx->argv[2]);
    if (!e) return reply_no_such_key(ctx);
    struct table_stats stats;
    struct value v = kv_entry_value(e);
    if (hashed_is(v))
        hashed_stats(v, &stats);
    else if (v.type == TYPE_ZSET && v.enc == ENC_SKIPLIST)
        zset_table_stats(v, &stats);
    else
        return reply_error(ctx, "The value stored at the specified key is not represented using "
                                "an hash table");
    struct buf text = {0};
    append_chains(&stats, &text);
    return reply_text(ctx, &text);
}

/* A key and its value share one block as long as the value is short; then the value has none of
 * its own. */
enum status debug_sdslen(struct exec_ctx *ctx)
{
    const struct kv_entry *e = kv_peek_expired(ctx->db, &ctx->argv[2]);
    if (!e) return reply_no_such_key(ctx);
    if (!kv_entry_is_string(e) || kv_entry_enc(e) == ENC_INT)
        return reply_error(ctx, "Not an sds encoded string.");
    struct kv_string_room room = kv_entry_string_room(e);
    struct buf text = {0};
    buf_printf(&text,
               "key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%zu, "
               "val_sds_avail:%zu, val_zmalloc: %zu",
               kv_entry_key(e).len, room.entry, kv_entry_string_len(e), room.spare, room.apart);
    reply_status(ctx, buf_cstr(&text));
    buf_release(&text);
    return STATUS_OK;
}

enum status debug_client_eviction(struct exec_ctx *ctx)
{
    struct client_memory_bucket buckets[CLIENT_MEMORY_BUCKETS];
    struct buf text = {0};
    if (!client_memory_buckets(buckets)) return reply_error(ctx, "maxmemory-clients is disabled.");
    for (size_t i = 0; i < ARRAY_COUNT(buckets); i++) {
        const struct client_memory_bucket *b = &buckets[i];
        if (b->end)
            buf_printf(&text, "bucket %10zu - %10zu", b->begin, b->end - 1);
        else
            buf_printf(&text, "bucket %10zu+            ", b->begin);
        buf_printf(&text, ": tot-mem: %10zu, clients: %zu\n", b->bytes, b->clients);
    }
    return reply_text(ctx, &text);
}

/* ---- patterns ---- */

#define MATCH_ROUNDS 1000000
#define MATCH_BYTES  32

static struct view random_text(char out[MATCH_BYTES], const char *alphabet, size_t letters)
{
    size_t len = (size_t)random_below(MATCH_BYTES + 1);
    for (size_t i = 0; i < len; i++) out[i] = alphabet[random_below(letters)];
    return view_of(out, len);
}

/* What it finds, it finds by what a sanitizer or the system says of it. */
enum status debug_stringmatch_test(struct exec_ctx *ctx)
{
    static const char special[] = "*?[]^-\\abc\0\xff", plain[] = "abc\0\xff";
    char pattern[MATCH_BYTES], text[MATCH_BYTES];
    for (int i = 0; i < MATCH_ROUNDS; i++) {
        struct view p = random_text(pattern, special, sizeof(special) - 1);
        (void)glob_match(p, random_text(text, plain, sizeof(plain) - 1), i & 1);
    }
    reply_status(ctx, "Apparently Redis did not crash: test passed");
    return STATUS_OK;
}

/* Sizes of ours: nothing here has stock's structures. */
enum status debug_structsize(struct exec_ctx *ctx)
{
    struct buf text = {0};
    buf_printf(&text, "bits:%d value:%zu table_bucket:%zu listpack:%d ", (int)sizeof(void *) * 8,
               sizeof(struct value), sizeof(struct table_bucket), LISTPACK_EMPTY_BYTES);
    reply_bulk_view(ctx, buf_view(&text));
    buf_release(&text);
    return STATUS_OK;
}

/* ---- the allocator ---- */

enum status debug_mallctl(struct exec_ctx *ctx)
{
    int64_t value = 0;
    bool change = ctx->argc > 3;
    if (change && arg_i64(ctx, 3, &value)) return STATUS_ERR;
    struct buf name = {0};
    buf_append_view(&name, arg_view(&ctx->argv[2]));
    int error = change ? mem_allocator_set(buf_cstr(&name), value)
                       : mem_allocator_get(buf_cstr(&name), &value);
    buf_release(&name);
    if (error) return reply_error(ctx, strerror(error));
    reply_int(ctx, value);
    return STATUS_OK;
}

enum status debug_mallctl_str(struct exec_ctx *ctx)
{
    struct buf name = {0};
    const char *text;
    buf_append_view(&name, arg_view(&ctx->argv[2]));
    int error = mem_allocator_get_text(buf_cstr(&name), &text);
    buf_release(&name);
    if (error) return reply_error(ctx, strerror(error));
    reply_bulk_cstr(ctx, text);
    return STATUS_OK;
}
