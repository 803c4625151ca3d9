/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DUMP payloads; see dump.h.
 */
#include "persist/dump.h"

#include "base/crc64.h"
#include "persist/settings.h"

#define FOOTER_BYTES 10
#define CHECKSUM_BYTES 8

void dump_save(const struct kv_entry *e, struct buf *out)
{
    struct stream_out stream;
    stream_out_buf(&stream, out, true);
    stream.compress = persist_settings.compress;
    stream_write_u8(&stream, rdb_entry_type(e));
    rdb_entry_save(e, &stream);
    stream_write_u8(&stream, RDB_VERSION);
    stream_write_u8(&stream, 0);
    uint64_t sum = stream_out_crc(&stream);
    for (int i = 0; i < CHECKSUM_BYTES; i++) stream_write_u8(&stream, (uint8_t)(sum >> (8 * i)));
    enum status status = stream_out_end(&stream);
    ASSERT(!status); /* a buffer takes what comes */
}

bool dump_is_sound(struct view payload)
{
    if (payload.len < FOOTER_BYTES) return false;
    const uint8_t *footer = (const uint8_t *)payload.ptr + payload.len - FOOTER_BYTES;
    if ((unsigned)footer[0] + 256u * footer[1] > RDB_VERSION_MAX) return false;
    if (persist_settings.skip_checksums) return true;
    uint64_t said = 0;
    for (int i = CHECKSUM_BYTES; i--;) said = said << 8 | footer[2 + i];
    return said == crc64_update(0, payload.ptr, payload.len - CHECKSUM_BYTES);
}

enum status dump_load(struct view payload, struct rdb_value *value)
{
    struct stream_in in;
    uint8_t type;
    stream_in_memory(&in, view_of(payload.ptr, payload.len - FOOTER_BYTES), false);
    enum status status = stream_read_u8(&in, &type);
    if (!status) status = rdb_value_load(type, &in, value);
    if (!status && stream_in_left(&in) > 0) status = STATUS_SYNTAX;
    return status ? STATUS_SYNTAX : STATUS_OK;
}
