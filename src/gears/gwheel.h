/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of requirements and of wheels, and the container in which a requirement travels between
 * servers. Pure functions; any thread.
 *
 * A container (RG.PYEXPORTREQ, RG.PYIMPORTREQ), numbers little endian:
 *
 *   bytes   what
 *   8       "CWREQ\r\n\0"
 *   4       version, 1
 *   4       number of wheels
 *   4 + n   the system that the wheels are for
 *   4 + n   the requirement
 *   each wheel:
 *   4 + n   file name
 *   8 + n   content
 *   8       CRC-64 of all before
 *
 * A checksum tells a damaged container, not a hostile one: all that is in it is checked as if
 * anybody had made it.
 */
#ifndef GEARS_GWHEEL_H
#define GEARS_GWHEEL_H

#include "base/buf.h"
#include "base/status.h"
#include "base/view.h"

#define GWHEEL_NAME_MAX 1024 /* of a requirement */
#define GWHEEL_FILE_MAX 255  /* of a wheel's file name */
#define GWHEEL_COUNT_MAX 1000

/* Room for the name or version of a package, with NUL. */
#define GWHEEL_PART_SIZE (GWHEEL_FILE_MAX + 1)

/* The system that this server's wheels are for: "linux-x86_64-python3.11". */
void gwheel_system(struct buf *out);

/* It may be given to pip: "name", "name[extra]>=1,<2; python_version > '3'". With any_source also
 * what names a file or an address. Never what could be taken for an option. */
bool gwheel_is_requirement(struct view text, bool any_source);

/* A package's name as PEP 503 compares it: lower case, each run of "-_." as one '-'. It ends where
 * the requirement's name does. */
void gwheel_normalize(struct view name, char out[GWHEEL_PART_SIZE]);

/* Takes a wheel's file name apart, "name-version(-build)?-python-abi-platform.whl": false if it
 * isn't one, or has a letter that has no business in a file's name. */
bool gwheel_parse(struct view file, char name_out[GWHEEL_PART_SIZE],
                  char version_out[GWHEEL_PART_SIZE]);

struct gwheel {
    struct view file, content;
};

/* Appends the container of a requirement, in three steps. */
void gwheel_pack_begin(struct buf *out, struct view requirement, size_t count);
void gwheel_pack_wheel(struct buf *out, struct view file, struct view content);
void gwheel_pack_end(struct buf *out);

struct gwheel_box {
    struct view system, requirement;
    size_t count;
    struct gwheel *wheels; /* owned; what it points at is the container's */
};

/* Reads a container. STATUS_SYNTAX: it is damaged, or names are not what they should be;
 * STATUS_RANGE: it is of another version of the format. On success the caller frees box->wheels. */
enum status gwheel_unpack(struct view container, struct gwheel_box *box) MUST_CHECK;

#endif
