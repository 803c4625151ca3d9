/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See effects_tap.h.
 */
#include "exec/effects_tap.h"

#include "base/num.h"
#include "exec/effects.h"

static struct {
    struct effects_reader reader;
    bool on;
    int db_id; /* the last SELECT's; -1: none yet */
} tap;

static void write_select(struct buf *out, int db_id)
{
    char number[NUM_I64_LEN];
    size_t len = num_format_i64(number, db_id);
    buf_printf(out, "*2\r\n$6\r\nSELECT\r\n$%zu\r\n%.*s\r\n", len, (int)len, number);
}

void effects_tap(bool on)
{
    if (on == tap.on) return;
    tap.on = on;
    tap.db_id = -1;
    if (on)
        effects_join(&tap.reader, KV_EFFECT_FILE);
    else
        effects_leave(&tap.reader);
}

bool effects_tap_take(struct buf *out)
{
    struct effects_record r;
    if (!tap.on) return false;
    while (effects_next(&tap.reader, &r)) {
        if (r.frame != EFFECT_EXEC && r.db_id != tap.db_id) {
            write_select(out, r.db_id);
            tap.db_id = r.db_id;
        }
        buf_append_view(out, r.request);
    }
    effects_give_back(&tap.reader);
    return true;
}
