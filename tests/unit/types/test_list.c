/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What types/list.h adds to a quicklist: indexes and ranges with any int64, compared with the
 * same thing reckoned naively in 128 bits; and the type's row.
 */
#include "types/list.h"
#include "unit.h"

static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN / 2, -11, -10, -9, -2, -1, 0, 1,
                                2, 8, 9, 10, 11, INT64_MAX / 2, INT64_MAX - 1, INT64_MAX};

static struct value list_of_numbers(int n)
{
    char buf[NUM_I64_LEN];
    struct value v = list_new();
    for (int i = 0; i < n; i++)
        quicklist_push(list_of(v), QUICKLIST_LAST, view_of(buf, num_format_i64(buf, i)));
    return v;
}

TEST(any_index)
{
    struct value v = list_of_numbers(10);
    for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
        size_t at = 99;
        int64_t index = edges[i];
        bool there = index >= -10 && index < 10;
        CHECK(list_index(v, index, &at) == there);
        if (there) CHECK_INT(at, index < 0 ? index + 10 : index);
    }
    list_type_ops.free(v);
}

TEST(any_range)
{
    for (int n = 1; n <= 10; n += 9) {
        struct value v = list_of_numbers(n);
        for (size_t i = 0; i < ARRAY_COUNT(edges); i++) {
            for (size_t k = 0; k < ARRAY_COUNT(edges); k++) {
                __int128 from = edges[i], to = edges[k];
                if (from < 0) from += n;
                if (to < 0) to += n;
                if (from < 0) from = 0;
                if (to >= n) to = n - 1;
                size_t start, count;
                list_range(v, edges[i], edges[k], &start, &count);
                CHECK_INT(count, from > to || from >= n ? 0 : to - from + 1);
                if (count) CHECK_INT(start, from);
            }
        }
        list_type_ops.free(v);
    }
}

TEST(row)
{
    struct value v = list_of_numbers(5000), copy;
    struct digest a = {{0}}, b = {{0}};
    CHECK(type_ops_of(TYPE_LIST) == &list_type_ops);
    CHECK_STR(enc_name(v.enc), "quicklist");
    CHECK_INT(list_type_ops.length(v), 5000);
    CHECK_INT(list_type_ops.free_effort(v), quicklist_nodes(list_of(v)));
    CHECK(list_type_ops.memory(v, 5) > 5000 * 3 && list_type_ops.memory(v, 5) < 5000 * 8);
    copy = list_type_ops.copy(v);
    list_type_ops.digest(v, &a);
    list_type_ops.digest(copy, &b);
    CHECK(!memcmp(&a, &b, sizeof(a)));
    quicklist_drop(list_of(copy), QUICKLIST_LAST);
    list_type_ops.digest(copy, &b);
    CHECK(memcmp(&a, &b, sizeof(a)));
    list_type_ops.free(v);
    list_type_ops.free(copy);
}

TEST(limits_are_taken_when_made)
{
    type_limits.list_max_listpack_size = 4;
    struct value v = list_of_numbers(10);
    type_limits.list_max_listpack_size = -2;
    CHECK_INT(quicklist_nodes(list_of(v)), 3);
    list_type_ops.free(v);
}
