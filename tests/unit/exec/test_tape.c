/* SPDX-License-Identifier: BSD-3-Clause */
/* A tape reads back what was written to it, whatever the order and the sizes. */
#include "exec/tape.h"

#include "../unit.h"

TEST(reads_back_what_was_written)
{
    static const enum tape_type bytes_types[] = {TAPE_BULK, TAPE_STATUS, TAPE_ERROR, TAPE_BIGNUM,
                                                 TAPE_VERBATIM};
    for (long n = unit_rounds(200); n > 0; n--) {
        struct tape t = {{0}};
        struct tape_node model[50];
        char *copies[50] = {0};
        size_t pos = 0;
        for (int i = 0; i < 50; i++) {
            struct tape_node *m = &model[i];
            size_t len = unit_rand_below(300);
            switch (unit_rand_below(5)) {
            case 0:
                m->type = TAPE_INT;
                m->u.i64 = (int64_t)unit_rand();
                tape_int(&t, m->u.i64);
                break;
            case 1:
                m->type = TAPE_BOOL;
                m->u.boolean = unit_rand_below(2);
                tape_bool(&t, m->u.boolean);
                break;
            case 2:
                m->type = unit_rand_below(2) ? TAPE_NULL : TAPE_NULL_ARRAY;
                tape_plain(&t, m->type);
                break;
            case 3: {
                size_t at = tape_aggregate(&t, TAPE_ARRAY, 0);
                m->type = TAPE_MAP;
                m->u.count = unit_rand_below(1000);
                tape_patch(&t, at, m->type, m->u.count);
                break;
            }
            default:
                m->type = bytes_types[unit_rand_below(5)];
                copies[i] = mem_alloc(len + 1);
                unit_rand_bytes(copies[i], len);
                m->u.bytes = view_of(copies[i], len);
                tape_bytes(&t, m->type, copies[i], len);
            }
        }
        for (int i = 0; i < 50; i++) {
            struct tape_node got;
            CHECK(tape_next(&t, &pos, &got));
            CHECK_INT(got.type, model[i].type);
            if (copies[i])
                CHECK_MEM(got.u.bytes.ptr, got.u.bytes.len, copies[i], model[i].u.bytes.len);
            if (got.type == TAPE_INT || got.type == TAPE_MAP)
                CHECK_INT(got.u.i64, model[i].u.i64);
            mem_free(copies[i]);
        }
        struct tape_node end;
        CHECK(!tape_next(&t, &pos, &end));
        tape_release(&t);
    }
}
