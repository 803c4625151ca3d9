/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wheels and containers; see gwheel.h.
 */
#include "gears/gwheel.h"

#include <sys/utsname.h>

#include "base/crc64.h"
#include "gears/gpy.h"

#define MAGIC "CWREQ\r\n\0"
#define MAGIC_LEN 8
#define VERSION 1

/* ---- names ---- */

void gwheel_system(struct buf *out)
{
    struct utsname u;
    const char *version = gpy_version();
    size_t minor = strcspn(version, ".");
    minor += version[minor] ? 1 + strcspn(version + minor + 1, ".") : 0;
    if (uname(&u)) memset(&u, 0, sizeof(u));
    buf_printf(out, "linux-%s-python%.*s", u.machine, (int)minor, version);
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool gwheel_is_requirement(struct view v, bool any_source)
{
    if (v.len == 0 || v.len > GWHEEL_NAME_MAX || v.ptr[0] == '-') return false;
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        if (c < ' ' || c == 0x7f) return false;
        if (!any_source && !is_alnum(v.ptr[i]) && !strchr("._-[],<>=!~*+ ();'\"", v.ptr[i]))
            return false;
    }
    return any_source || is_alnum(v.ptr[0]);
}

void gwheel_normalize(struct view name, char out[GWHEEL_PART_SIZE])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len && len + 1 < GWHEEL_PART_SIZE; i++) {
        char c = name.ptr[i];
        bool dash = c == '-' || c == '_' || c == '.';
        if (!dash && !is_alnum(c)) break;
        if (dash && len > 0 && out[len - 1] == '-') continue;
        out[len++] = (char)(dash ? '-' : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    out[len] = 0;
}

static struct view take_part(struct view *v)
{
    const char *dash = memchr(v->ptr, '-', v->len);
    size_t len = dash ? (size_t)(dash - v->ptr) : v->len;
    struct view part = view_of(v->ptr, len);
    len += dash ? 1 : 0;
    *v = view_of(v->ptr + len, v->len - len);
    return part;
}

bool gwheel_parse(struct view file, char name[GWHEEL_PART_SIZE], char version[GWHEEL_PART_SIZE])
{
    static const char end[] = ".whl";
    const size_t end_len = sizeof(end) - 1;
    size_t dashes = 0;
    if (file.len <= end_len || file.len > GWHEEL_FILE_MAX || !is_alnum(file.ptr[0])) return false;
    if (memcmp(file.ptr + file.len - end_len, end, end_len) != 0) return false;
    for (size_t i = 0; i < file.len; i++) {
        if (!is_alnum(file.ptr[i]) && !strchr("._-+!", file.ptr[i])) return false;
        if (!file.ptr[i]) return false; /* strchr finds the NUL, too */
        dashes += file.ptr[i] == '-';
    }
    if (dashes < 4 || dashes > 5) return false;
    gwheel_normalize(take_part(&file), name);
    struct view v = take_part(&file);
    memcpy(version, v.ptr, v.len);
    version[v.len] = 0;
    return name[0] && version[0];
}

/* ---- the container ---- */

static void put_number(struct buf *out, uint64_t n, int bytes)
{
    char raw[8];
    for (int i = 0; i < bytes; i++) raw[i] = (char)(n >> (8 * i));
    buf_append(out, raw, (size_t)bytes);
}

static void put_bytes(struct buf *out, struct view v, int bytes)
{
    put_number(out, v.len, bytes);
    buf_append_view(out, v);
}

void gwheel_pack_begin(struct buf *out, struct view requirement, size_t count)
{
    struct buf system = {0};
    gwheel_system(&system);
    buf_append(out, MAGIC, MAGIC_LEN);
    put_number(out, VERSION, 4);
    put_number(out, count, 4);
    put_bytes(out, buf_view(&system), 4);
    put_bytes(out, requirement, 4);
    buf_release(&system);
}

void gwheel_pack_wheel(struct buf *out, struct view file, struct view content)
{
    put_bytes(out, file, 4);
    put_bytes(out, content, 8);
}

void gwheel_pack_end(struct buf *out)
{
    put_number(out, crc64_update(0, out->ptr, out->len), 8);
}

static bool take_number(struct view *v, int bytes, uint64_t *out)
{
    *out = 0;
    if (v->len < (size_t)bytes) return false;
    for (int i = 0; i < bytes; i++) *out |= (uint64_t)(unsigned char)v->ptr[i] << (8 * i);
    *v = view_of(v->ptr + bytes, v->len - (size_t)bytes);
    return true;
}

static bool take_bytes(struct view *v, int bytes, struct view *out)
{
    uint64_t len;
    if (!take_number(v, bytes, &len) || len > v->len) return false;
    *out = view_of(v->ptr, (size_t)len);
    *v = view_of(v->ptr + len, v->len - (size_t)len);
    return true;
}

/* Names are a wheel's each, and no two of them the same package's. */
static bool take_wheels(struct view *v, struct gwheel_box *box)
{
    for (size_t i = 0; i < box->count; i++) {
        char name[GWHEEL_PART_SIZE], version[GWHEEL_PART_SIZE], other[GWHEEL_PART_SIZE];
        struct gwheel *w = &box->wheels[i];
        if (!take_bytes(v, 4, &w->file) || !take_bytes(v, 8, &w->content)) return false;
        if (!gwheel_parse(w->file, name, version)) return false;
        for (size_t k = 0; k < i; k++)
            if (gwheel_parse(box->wheels[k].file, other, version) && !strcmp(name, other))
                return false;
    }
    return v->len == 0;
}

enum status gwheel_unpack(struct view container, struct gwheel_box *box)
{
    struct view v = container;
    uint64_t version, count, sum;
    *box = (struct gwheel_box){0};
    if (v.len < MAGIC_LEN + 4 + 8 || memcmp(v.ptr, MAGIC, MAGIC_LEN) != 0) return STATUS_SYNTAX;
    struct view tail = view_of(v.ptr + v.len - 8, 8);
    v = view_of(v.ptr + MAGIC_LEN, v.len - MAGIC_LEN - 8);
    if (!take_number(&v, 4, &version)) return STATUS_SYNTAX;
    if (version != VERSION) return STATUS_RANGE;
    if (!take_number(&tail, 8, &sum) || sum != crc64_update(0, container.ptr, container.len - 8))
        return STATUS_SYNTAX;
    if (!take_number(&v, 4, &count) || count == 0 || count > GWHEEL_COUNT_MAX ||
        !take_bytes(&v, 4, &box->system) || !take_bytes(&v, 4, &box->requirement) ||
        !gwheel_is_requirement(box->requirement, true))
        return STATUS_SYNTAX;
    box->count = (size_t)count;
    box->wheels = mem_zalloc(sizeof(*box->wheels) * box->count);
    if (take_wheels(&v, box)) return STATUS_OK;
    mem_free(box->wheels);
    box->wheels = NULL;
    return STATUS_SYNTAX;
}
