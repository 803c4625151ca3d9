/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an RDB file has around its values (those: types/rdb.h): facts of versions 1 to 11.
 *
 *   "REDIS" version (4 digits) | AUX … | for each database: SELECTDB n, RESIZEDB keys volatile,
 *   keys … | EOF | checksum u64 of all before, little-endian, 0: none (from version 5 on)
 *
 *   a key: [EXPIRETIME_MS u64] [IDLE length | FREQ u8] type byte, key text, value
 */
#ifndef PERSIST_RDB_FORMAT_H
#define PERSIST_RDB_FORMAT_H

#define RDB_MAGIC "REDIS"
#define RDB_MAGIC_BYTES 5
#define RDB_HEADER_BYTES 9
#define RDB_CHECKSUM_BYTES 8
#define RDB_CHECKSUM_SINCE 5

enum rdb_opcode {
    RDB_OP_FUNCTION2 = 245,       /* a library's code as text */
    RDB_OP_FUNCTION_PRE_GA = 246, /* of release candidates; nobody reads it */
    RDB_OP_MODULE_AUX = 247,
    RDB_OP_IDLE = 248,
    RDB_OP_FREQ = 249,
    RDB_OP_AUX = 250,           /* two texts: name and value */
    RDB_OP_RESIZEDB = 251,      /* two lengths */
    RDB_OP_EXPIRETIME_MS = 252, /* u64, little-endian */
    RDB_OP_EXPIRETIME = 253,    /* u32 of seconds */
    RDB_OP_SELECTDB = 254,
    RDB_OP_EOF = 255
};

#endif
