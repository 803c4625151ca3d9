/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Option rows of persistence. Save points are the odd one: at start, the first `save` of file and
 * command line drops the defaults, and each adds its points; CONFIG SET replaces them all.
 */
#include "persist/settings.h"

#include <limits.h>
#include <unistd.h>

#include "base/num.h"
#include "conf/option.h"

struct persist_settings persist_settings;

/* default -> configured at start -> started */
static enum { POINTS_UNSET, POINTS_DEFAULT, POINTS_CONFIGURED, POINTS_STARTED } points_state;

void persist__settings_started(void)
{
    points_state = POINTS_STARTED;
}

void persist__delay(int us, uint64_t nth)
{
    if (likely(us == 0)) return;
    if (us > 0) usleep((useconds_t)us);
    else if (nth % (uint64_t)-(int64_t)us == 0) usleep(1);
}

static void get_save(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    for (size_t i = 0; i < persist_settings.point_count; i++) {
        const struct persist_point *p = &persist_settings.points[i];
        buf_printf(out, "%s%lld %lld", i ? " " : "", (long long)p->seconds, (long long)p->changes);
    }
}

static enum status parse_points(const struct view *argv, size_t argc, struct persist_point *points,
                                struct opt_error *err)
{
    if (argc % 2 || argc / 2 > PERSIST_POINTS_MAX) return opt_fail(err, "Invalid save parameters");
    for (size_t i = 0; i < argc / 2; i++) {
        struct persist_point *p = &points[i];
        if (num_parse_i64(argv[2 * i], &p->seconds) ||
            num_parse_i64(argv[2 * i + 1], &p->changes) || p->seconds < 1 || p->changes < 0 ||
            p->seconds > INT_MAX || p->changes > INT_MAX)
            return opt_fail(err, "Invalid save parameters");
    }
    return STATUS_OK;
}

static enum status set_save(const struct opt_row *row, const struct view *argv, size_t argc,
                            struct opt_error *err)
{
    UNUSED(row);
    struct persist_point points[PERSIST_POINTS_MAX];
    bool none = argc == 0 || (argc == 1 && argv[0].len == 0);
    size_t count = none ? 0 : argc / 2;
    if (!none && parse_points(argv, argc, points, err)) return STATUS_ERR;
    size_t keep = !none && points_state == POINTS_CONFIGURED ? persist_settings.point_count : 0;
    if (keep + count > PERSIST_POINTS_MAX) return opt_fail(err, "Invalid save parameters");
    memcpy(persist_settings.points + keep, points, count * sizeof(points[0]));
    persist_settings.point_count = keep + count;
    if (points_state < POINTS_CONFIGURED) points_state++;
    return STATUS_OK;
}

static enum status apply_refusal(struct opt_error *err)
{
    UNUSED(err);
    persist__refusal_update();
    return STATUS_OK;
}

static enum status check_filename(const struct opt_row *row, struct view value,
                                  struct opt_error *err)
{
    UNUSED(row);
    if (value.len && !memchr(value.ptr, '/', value.len)) return STATUS_OK;
    return opt_fail(err, "dbfilename can't be a path, just a filename");
}

static const struct opt_name sanitize_names[] = {
    {"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0}};

static const struct opt_row rows[] = {
    {.name = "save", .kind = OPT_SPECIAL, .flags = OPT_MULTI, .get = get_save, .set = set_save,
     .dflt = "3600 1 300 100 60 10000", .apply = apply_refusal,
     .section = OPT_SECTION_PERSISTENCE,
     .doc = "Save points, pairs of seconds and changes: when so many seconds have passed since "
            "the last save and so many changes were made, the data is saved in the background. "
            "With at least one the data is also saved at the end. An empty list (save \"\") means "
            "neither. Several lines add up."},
    {.name = "dbfilename", .kind = OPT_STRING, .flags = OPT_PROTECTED,
     .var.text = &persist_settings.filename, .dflt = "dump.rdb", .check = check_filename,
     .section = OPT_SECTION_PERSISTENCE,
     .doc = "The file, in the working directory (`dir`), that is saved to and loaded at start."},
    {.name = "rdbcompression", .kind = OPT_BOOL, .var.b = &persist_settings.compress,
     .dflt = "yes", .section = OPT_SECTION_PERSISTENCE,
     .doc = "Compress texts of more than 20 bytes with LZF in the file and in DUMP payloads."},
    {.name = "rdbchecksum", .kind = OPT_BOOL, .flags = OPT_IMMUTABLE,
     .var.b = &persist_settings.checksum, .dflt = "yes", .section = OPT_SECTION_PERSISTENCE,
     .doc = "Write a checksum at the end of the file, and verify it when loading."},
    {.name = "stop-writes-on-bgsave-error", .kind = OPT_BOOL,
     .var.b = &persist_settings.stop_writes, .dflt = "yes", .apply = apply_refusal,
     .section = OPT_SECTION_PERSISTENCE,
     .doc = "After a background save has failed, refuse writes until one succeeds, so that "
            "somebody notices. Only with save points."},
    {.name = "rdb-save-incremental-fsync", .kind = OPT_BOOL,
     .var.b = &persist_settings.incremental_fsync, .dflt = "yes",
     .section = OPT_SECTION_PERSISTENCE,
     .doc = "Store the file every 4 MB while it is written, rather than all at its end."},
    {.name = "sanitize-dump-payload", .kind = OPT_ENUM, .var.i = &persist_settings.sanitize,
     .names = sanitize_names, .dflt = "no", .section = OPT_SECTION_PERSISTENCE,
     .doc = "Accepted for configurations that name it: files and payloads are always checked "
            "completely."},
    {.name = "rdb-key-save-delay", .kind = OPT_INT, .flags = OPT_HIDDEN,
     .var.i = &persist_settings.key_save_delay_us, .dflt = "0", .min = INT_MIN,
     .max = INT_MAX, .section = OPT_SECTION_PERSISTENCE,
     .doc = "Microseconds to wait behind each key that is saved, for tests; -n: one behind n."},
    {.name = "key-load-delay", .kind = OPT_INT, .flags = OPT_HIDDEN,
     .var.i = &persist_settings.key_load_delay_us, .dflt = "0", .min = INT_MIN, .max = INT_MAX,
     .section = OPT_SECTION_PERSISTENCE,
     .doc = "Microseconds to wait behind each key that is loaded, for tests; -n: one behind n."},
    {.name = "loading-process-events-interval-bytes", .kind = OPT_INT, .flags = OPT_HIDDEN,
     .var.i = &persist_settings.serve_interval_bytes, .dflt = "2097152", .min = 1024,
     .max = INT_MAX, .section = OPT_SECTION_PERSISTENCE,
     .doc = "While the file is loaded, clients are served each so many bytes."},
};

void persist_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}
