/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of wheels and requirements, and the container: what is packed is unpacked, and no bytes
 * that anybody sends make it read beyond its end.
 */
#include "gears/gwheel.h"

#include "base/crc64.h"
#include "unit.h"

static void check_normal(const char *name, const char *want)
{
    char out[GWHEEL_PART_SIZE];
    gwheel_normalize(view_cstr(name), out);
    CHECK_STR(out, want);
}

TEST(normalized_names)
{
    check_normal("redis", "redis");
    check_normal("Redis==3", "redis");
    check_normal("My._-Package", "my-package");
    check_normal("a.b_c", "a-b-c");
    check_normal("A[extra]>=1", "a");
    check_normal("", "");
}

TEST(requirements)
{
    static const char *const good[] = {"redis", "redis==3", "a[b,c]>=1,<2", "x~=1.0",
                                       "x; python_version > '3'", "x===1!2.0+local", "3to2"};
    static const char *const bad[] = {"", "-r x", "--index-url=x", "x @ http://y", "./x", "/x",
                                      "git+https://x", "x\n--y", "x\ty", "[x]", " x", "x%y"};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        CHECK_MSG(gwheel_is_requirement(view_cstr(good[i]), false), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_MSG(!gwheel_is_requirement(view_cstr(bad[i]), false), "%s", bad[i]);
    CHECK(!gwheel_is_requirement(view_of("a\0b", 3), false));
    CHECK(!gwheel_is_requirement(view_of("a\0b", 3), true));
    CHECK(gwheel_is_requirement(view_cstr("x @ http://y"), true));
    CHECK(!gwheel_is_requirement(view_cstr("-e ."), true));
    char long_name[GWHEEL_NAME_MAX + 1];
    memset(long_name, 'a', sizeof(long_name));
    CHECK(gwheel_is_requirement(view_of(long_name, GWHEEL_NAME_MAX), false));
    CHECK(!gwheel_is_requirement(view_of(long_name, sizeof(long_name)), false));
}

TEST(wheel_names)
{
    char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE];
    CHECK(gwheel_parse(view_cstr("My_Package-1.0-py3-none-any.whl"), name, version));
    CHECK_STR(name, "my-package");
    CHECK_STR(version, "1.0");
    CHECK(gwheel_parse(view_cstr("a-1!2+x-1-cp311-cp311-linux_x86_64.whl"), name, version));
    CHECK_STR(version, "1!2+x");
    static const char *const bad[] = {"", ".whl", "a.whl", "a-1-py3-none-any.zip",
                                      "../a-1-py3-none-any.whl", "/a-1-py3-none-any.whl",
                                      "-a-1-py3-none-any.whl", "a--py3-none-any.whl",
                                      "a-1-py3-none.whl", "a-1-2-3-4-5-6.whl",
                                      "a-1-py3-none-a y.whl", "a-1-py3-none-any\n.whl"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        CHECK_MSG(!gwheel_parse(view_cstr(bad[i]), name, version), "%s", bad[i]);
    CHECK(!gwheel_parse(view_of("a-1-py3-no\0e-any.whl", 20), name, version));
}

static void pack(struct buf *out)
{
    gwheel_pack_begin(out, view_cstr("two==2"), 2);
    gwheel_pack_wheel(out, view_cstr("two-2-py3-none-any.whl"), view_cstr("content"));
    gwheel_pack_wheel(out, view_cstr("other-1-py3-none-any.whl"), view_cstr(""));
    gwheel_pack_end(out);
}

TEST(packed_and_unpacked)
{
    struct buf b = {0};
    struct gwheel_box box;
    pack(&b);
    CHECK_INT(gwheel_unpack(buf_view(&b), &box), STATUS_OK);
    CHECK_INT(box.count, 2);
    CHECK(view_eq_cstr(box.requirement, "two==2"));
    CHECK(view_eq_cstr(box.wheels[0].content, "content"));
    CHECK(view_eq_cstr(box.wheels[1].file, "other-1-py3-none-any.whl"));
    mem_free(box.wheels);
    buf_release(&b);
}

static void set_sum(struct buf *b)
{
    b->len -= 8;
    gwheel_pack_end(b);
}

TEST(another_version)
{
    struct buf b = {0};
    struct gwheel_box box;
    pack(&b);
    b.ptr[8] = 2;
    CHECK_INT(gwheel_unpack(buf_view(&b), &box), STATUS_RANGE);
    buf_release(&b);
}

TEST(hostile_names)
{
    static const char *const files[] = {"../../x-1-py3-none-any.whl", "x",
                                        "a/b-1-py3-none-any.whl"};
    struct gwheel_box box;
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct buf b = {0};
        gwheel_pack_begin(&b, view_cstr("x"), 1);
        gwheel_pack_wheel(&b, view_cstr(files[i]), view_cstr("content"));
        gwheel_pack_end(&b);
        CHECK_INT(gwheel_unpack(buf_view(&b), &box), STATUS_SYNTAX);
        buf_release(&b);
    }
    struct buf b = {0};
    gwheel_pack_begin(&b, view_cstr("--option"), 1);
    gwheel_pack_wheel(&b, view_cstr("x-1-py3-none-any.whl"), view_cstr("content"));
    gwheel_pack_end(&b);
    CHECK_INT(gwheel_unpack(buf_view(&b), &box), STATUS_SYNTAX);
    buf_clear(&b);
    gwheel_pack_begin(&b, view_cstr("x"), 2);
    gwheel_pack_wheel(&b, view_cstr("x_y-1-py3-none-any.whl"), view_cstr("1"));
    gwheel_pack_wheel(&b, view_cstr("X.Y-2-py3-none-any.whl"), view_cstr("2"));
    gwheel_pack_end(&b);
    CHECK_INT(gwheel_unpack(buf_view(&b), &box), STATUS_SYNTAX);
    buf_release(&b);
}

/* The sum is made right again, so that what is behind it is reached. */
TEST(any_bytes)
{
    for (int round = 0; round < 20000; round++) {
        struct buf b = {0};
        struct gwheel_box box;
        pack(&b);
        size_t cut = unit_rand_below(4) ? b.len : unit_rand_below(b.len + 1);
        b.len = cut;
        for (uint64_t n = unit_rand_below(4); n > 0 && b.len; n--)
            b.ptr[unit_rand_below(b.len)] = (char)unit_rand();
        if (b.len >= 8 && unit_rand_below(8)) set_sum(&b);
        /* exactly as long as it is, for the sanitizer */
        char *copy = mem_dup(b.ptr, b.len);
        copy = mem_realloc(copy, b.len ? b.len : 1);
        if (gwheel_unpack(view_of(copy, b.len), &box) == STATUS_OK) {
            CHECK(box.count > 0);
            mem_free(box.wheels);
        }
        mem_free(copy);
        buf_release(&b);
    }
}
