/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command's argument: a view into the read buffer that carries its hash once somebody has
 * computed it, so that prefetch, lookup and insert hash a key once between them. An argument
 * lives as long as the command that it belongs to, and is never kept: what outlives the command
 * is copied. A large one may come in an allocation of its own, which a handler may take instead.
 */
#ifndef BASE_ARG_H
#define BASE_ARG_H

#include "base/hash.h"
#include "base/view.h"

struct arg {
    const char *ptr;
    size_t len;
    uint64_t hash; /* of the bytes; meaningful when hashed */
    bool hashed;
    bool owned; /* ptr is an allocation of its own; whoever takes it clears this */
};

static inline struct view arg_view(const struct arg *a)
{
    return view_of(a->ptr, a->len);
}

static inline struct arg arg_of(const char *ptr, size_t len)
{
    return (struct arg){.ptr = ptr, .len = len};
}

static inline struct arg arg_of_view(struct view v)
{
    return (struct arg){.ptr = v.ptr, .len = v.len};
}

/* The argument's hash, computed at most once. */
static inline uint64_t arg_hash(struct arg *a)
{
    if (!a->hashed) {
        a->hash = hash_bytes(a->ptr, a->len);
        a->hashed = true;
    }
    return a->hash;
}

/* The argument equals a word, ASCII case apart. */
static inline bool arg_is(const struct arg *a, const char *word)
{
    return view_eq_nocase(arg_view(a), word);
}

#endif
