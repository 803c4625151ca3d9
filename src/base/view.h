/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A view is a borrowed run of bytes: pointer and length, no terminator, no ownership. Who hands
 * one out says how long it lives.
 */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <string.h>
#include <strings.h>

#include "base/macros.h"

struct view {
    const char *ptr;
    size_t len;
};

#define VIEW_LIT(s) ((struct view){(s), sizeof(s) - 1})

static inline struct view view_of(const char *ptr, size_t len)
{
    return (struct view){ptr, len};
}

static inline struct view view_cstr(const char *s)
{
    return (struct view){s, strlen(s)};
}

/* Same length and same bytes. */
static inline bool view_eq(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool view_eq_cstr(struct view a, const char *s)
{
    return view_eq(a, view_cstr(s));
}

/* Equal but for ASCII case; `s` is NUL-terminated. */
static inline bool view_eq_nocase(struct view a, const char *s)
{
    size_t len = strlen(s);
    return a.len == len && strncasecmp(a.ptr, s, len) == 0;
}

#endif
