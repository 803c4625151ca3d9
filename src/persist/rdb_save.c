/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing an RDB file; see rdb_save.h, and rdb_format.h for the bytes. Entries come from one walk
 * over the table, which prefetches; the stream hands on 256 KB at a time. The file is created in
 * the working directory, where its final name lies, since a rename doesn't cross file systems.
 */
#include "persist/rdb_save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "keyspace/settings.h"
#include "persist/persist.h"
#include "persist/rdb_format.h"
#include "persist/rdb_value.h"
#include "persist/settings.h"

/* With rdb-save-incremental-fsync the file is stored each so many bytes. */
#define SYNC_STEP ((uint64_t)4 << 20)

struct walk {
    struct stream_out *out;
    struct rdb_progress *progress;
    uint64_t keys;
};

static void write_le64(struct stream_out *out, uint64_t n)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++) b[i] = (uint8_t)(n >> (8 * i));
    stream_write(out, b, sizeof(b));
}

static void write_aux(struct stream_out *out, const char *name, struct view value)
{
    stream_write_u8(out, RDB_OP_AUX);
    rdb_write_text(out, view_cstr(name));
    rdb_write_text(out, value);
}

static void write_aux_number(struct stream_out *out, const char *name, int64_t number)
{
    char digits[NUM_I64_LEN];
    write_aux(out, name, view_of(digits, num_format_i64(digits, number)));
}

static void write_header(struct stream_out *out)
{
    char head[RDB_HEADER_BYTES + 1];
    snprintf(head, sizeof(head), RDB_MAGIC "%04d", RDB_VERSION);
    stream_write(out, head, RDB_HEADER_BYTES);
    write_aux(out, "redis-ver", view_cstr(STOCK_VERSION));
    write_aux_number(out, "redis-bits", 64);
    write_aux_number(out, "ctime", clock_wall_ms() / 1000);
    write_aux_number(out, "used-mem", (int64_t)mem_used());
    write_aux_number(out, "aof-base", 0);
}

/* When or how often the key was used, if the policy for evictions goes by it. */
static void write_access(struct stream_out *out, const struct kv_entry *e)
{
    if (kv_counts_accesses()) {
        stream_write_u8(out, RDB_OP_FREQ);
        stream_write_u8(out, (uint8_t)kv_freq(e));
    } else if ((kv_settings.policy & KV_EVICT_ORDER) == KV_EVICT_LRU) {
        stream_write_u8(out, RDB_OP_IDLE);
        rdb_write_length(out, (uint64_t)kv_idle_seconds(e));
    }
}

/* A value without a form fails the save: a file that lacks keys is worse than none. */
static void write_entry(void *ctx, struct kv_entry *e)
{
    struct walk *walk = ctx;
    struct stream_out *out = walk->out;
    if (out->status) return;
    if (unlikely(!rdb_entry_has_form(e))) {
        out->status = STATUS_TYPE;
        out->error = ENOTSUP;
        return;
    }
    int64_t expire_ms = kv_entry_expire_ms(e);
    if (kv_entry_is_volatile(e)) {
        stream_write_u8(out, RDB_OP_EXPIRETIME_MS);
        write_le64(out, (uint64_t)expire_ms);
    }
    write_access(out, e);
    stream_write_u8(out, rdb_entry_type(e));
    rdb_write_text(out, kv_entry_key(e));
    rdb_entry_save(e, out);
    if (unlikely((++walk->keys & 1023) == 0)) {
        walk->progress->keys = walk->keys;
        persist__save_tick(walk->progress);
    }
    persist__delay(persist_settings.key_save_delay_us, walk->keys);
}

/* Header, keys, end, checksum (of a stream that sums). Failures are the stream's. */
static void save_stream(struct stream_out *out, struct rdb_progress *progress)
{
    struct walk walk = {.out = out, .progress = progress};
    write_header(out);
    for (int i = 0; i < kv_db_count(); i++) {
        struct kv_db *db = kv_db(i);
        if (table_count(&db->keys) == 0) continue;
        stream_write_u8(out, RDB_OP_SELECTDB);
        rdb_write_length(out, (uint64_t)i);
        stream_write_u8(out, RDB_OP_RESIZEDB);
        rdb_write_length(out, table_count(&db->keys));
        rdb_write_length(out, db->volatile_count);
        kv_scan(db, 0, SIZE_MAX, write_entry, &walk);
    }
    progress->keys = walk.keys;
    stream_write_u8(out, RDB_OP_EOF);
    write_le64(out, stream_out_crc(out));
}

/* ---- the file ---- */

void rdb_temp_name(char name[static RDB_TEMP_NAME_BYTES], int pid)
{
    snprintf(name, RDB_TEMP_NAME_BYTES, "temp-%d.rdb", pid);
}

static const char *working_dir(char path[static PATH_MAX])
{
    return getcwd(path, PATH_MAX) ? path : "unknown";
}

static enum status write_failed(const char *temp, int error)
{
    log_warning("Write error saving DB on disk: %s", strerror(error));
    unlink(temp);
    return STATUS_IO;
}

static enum status write_temp(const char *temp, struct rdb_progress *progress)
{
    char path[PATH_MAX];
    struct stream_out out;
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        log_warning("Failed opening the temp RDB file %s (in server root dir %s) for saving: %s",
                    temp, working_dir(path), strerror(errno));
        return STATUS_IO;
    }
    stream_out_fd(&out, fd, persist_settings.checksum);
    out.compress = persist_settings.compress;
    if (persist_settings.incremental_fsync) out.sync_step = SYNC_STEP;
    save_stream(&out, progress);
    int error = stream_out_end(&out) ? out.error : 0;
    if (!error && fsync(fd)) error = errno;
    if (close(fd) && !error) error = errno;
    return error ? write_failed(temp, error) : STATUS_OK;
}

enum status rdb_save_file(const char *name, struct rdb_progress *progress)
{
    char temp[RDB_TEMP_NAME_BYTES], path[PATH_MAX];
    rdb_temp_name(temp, (int)getpid());
    if (write_temp(temp, progress)) return STATUS_IO;
    if (rename(temp, name)) {
        log_warning("Error moving temp DB file %s on the final destination %s (in server root "
                    "dir %s): %s",
                    temp, name, working_dir(path), strerror(errno));
        unlink(temp);
        return STATUS_IO;
    }
    if (file_sync_folder(name)) {
        log_warning("Write error while syncing the folder of the DB: %s", strerror(errno));
        return STATUS_IO;
    }
    log_notice("DB saved on disk");
    return STATUS_OK;
}
