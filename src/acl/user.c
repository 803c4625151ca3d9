/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One user: passwords, which are kept as SHA-256 only, flags, rules and selectors; and the words
 * that change them.
 */
#include "acl/private.h"

#include <openssl/sha.h>

#include "base/mem.h"
#include "base/quote.h"

/* ---- life ---- */

struct acl_user *acl__user_new(struct view name)
{
    struct acl_user *u = mem_zalloc(sizeof(*u));
    exec_user_init(&u->base, name);
    acl__rules_init(&u->rules);
    return u;
}

static void selectors_clear(struct acl_user *u)
{
    for (size_t i = 0; i < u->selector_count; i++) acl__rules_release(&u->selectors[i]);
    mem_free(u->selectors);
    u->selectors = NULL;
    u->selector_count = 0;
}

static void hashes_clear(struct acl_user *u)
{
    mem_free(u->hashes);
    u->hashes = NULL;
    u->hash_count = 0;
}

static void release(struct acl_user *u)
{
    hashes_clear(u);
    selectors_clear(u);
    acl__rules_release(&u->rules);
}

void acl__user_end(struct acl_user *u)
{
    release(u);
    u->base.gone = true;
    exec_user_unref(&u->base);
}

void acl__user_take(struct acl_user *u, struct acl_user *src)
{
    /* All but the base, whose references other threads count. */
    const size_t own = sizeof(u->base);
    release(u);
    memcpy((char *)u + own, (const char *)src + own, sizeof(*u) - own);
    src->hashes = NULL;
    src->selectors = NULL;
    src->hash_count = src->selector_count = 0;
    acl__rules_init(&src->rules);
}

static struct acl_rules *selector_add(struct acl_user *u)
{
    u->selectors = mem_realloc(u->selectors, (u->selector_count + 1) * sizeof(*u->selectors));
    return &u->selectors[u->selector_count++];
}

struct acl_user *acl__user_copy(const struct acl_user *src)
{
    struct acl_user *u = acl__user_new(src->base.name);
    u->on = src->on;
    u->nopass = src->nopass;
    u->sanitize = src->sanitize;
    if (src->hash_count) {
        u->hashes = mem_alloc(src->hash_count * sizeof(*u->hashes));
        memcpy(u->hashes, src->hashes, src->hash_count * sizeof(*u->hashes));
        u->hash_count = src->hash_count;
    }
    acl__rules_release(&u->rules);
    acl__rules_copy(&u->rules, &src->rules);
    for (size_t i = 0; i < src->selector_count; i++)
        acl__rules_copy(selector_add(u), &src->selectors[i]);
    return u;
}

/* ---- passwords ---- */

static void hash_password(struct view password, char out[ACL_HASH_LEN])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)password.ptr, password.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
}

/* In a time that doesn't tell where they differ. */
static bool hash_eq(const char *a, const char *b)
{
    unsigned char differ = 0;
    for (size_t i = 0; i < ACL_HASH_LEN; i++) differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

static size_t hash_find(const struct acl_user *u, const char *hash)
{
    size_t found = u->hash_count;
    for (size_t i = 0; i < u->hash_count; i++)
        if (hash_eq(u->hashes[i], hash)) found = i;
    return found;
}

bool acl__user_opens(const struct acl_user *u, struct view password)
{
    if (!u->on) return false;
    if (u->nopass) return true;
    char hash[ACL_HASH_LEN];
    hash_password(password, hash);
    return hash_find(u, hash) < u->hash_count;
}

static enum acl_error hash_add(struct acl_user *u, const char *hash)
{
    u->nopass = false;
    if (hash_find(u, hash) < u->hash_count) return ACL_FINE;
    u->hashes = mem_realloc(u->hashes, (u->hash_count + 1) * sizeof(*u->hashes));
    memcpy(u->hashes[u->hash_count++], hash, ACL_HASH_LEN);
    return ACL_FINE;
}

static enum acl_error hash_remove(struct acl_user *u, const char *hash)
{
    size_t at = hash_find(u, hash);
    if (at == u->hash_count) return ACL_NO_PASSWORD;
    memmove(u->hashes[at], u->hashes[at + 1], (u->hash_count - at - 1) * sizeof(*u->hashes));
    if (--u->hash_count == 0) hashes_clear(u);
    return ACL_FINE;
}

static bool is_hash(struct view v)
{
    if (v.len != ACL_HASH_LEN) return false;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return true;
}

/* >password <password #hash !hash */
static enum acl_error apply_password(struct acl_user *u, char sign, struct view v)
{
    char hash[ACL_HASH_LEN];
    if (sign == '>' || sign == '<') {
        hash_password(v, hash);
    } else {
        if (!is_hash(v)) return ACL_BAD_HASH;
        memcpy(hash, v.ptr, ACL_HASH_LEN);
    }
    return sign == '>' || sign == '#' ? hash_add(u, hash) : hash_remove(u, hash);
}

/* ---- words ---- */

/* "(~a +b)": words apart by blanks, quotes as in the config file. */
static enum acl_error apply_selector(struct acl_user *u, struct view inner)
{
    struct acl_rules rules;
    struct quote_args words = {0};
    enum acl_error e = ACL_FINE;
    acl__rules_init(&rules);
    /* Unbalanced quotes are no words at all, as stock has it. */
    if (quote_split_args(inner, &words)) words = (struct quote_args){0};
    for (size_t i = 0; i < words.argc && !e; i++) e = acl__rules_apply(&rules, words.argv[i]);
    quote_args_release(&words);
    if (e)
        acl__rules_release(&rules);
    else
        *selector_add(u) = rules;
    return e;
}

static void reset(struct acl_user *u)
{
    struct acl_user *blank = acl__user_new(u->base.name);
    blank->sanitize = ACL_SANITIZE;
    acl__user_take(u, blank);
    acl__user_end(blank);
}

/* The words that stand for themselves; false if it is none of them. */
static bool apply_plain(struct acl_user *u, struct view word)
{
    if (view_eq_nocase(word, "on")) {
        u->on = true;
    } else if (view_eq_nocase(word, "off")) {
        u->on = false;
    } else if (view_eq_nocase(word, "nopass")) {
        u->nopass = true;
        hashes_clear(u);
    } else if (view_eq_nocase(word, "resetpass")) {
        u->nopass = false;
        hashes_clear(u);
    } else if (view_eq_nocase(word, "sanitize-payload")) {
        u->sanitize = ACL_SANITIZE;
    } else if (view_eq_nocase(word, "skip-sanitize-payload")) {
        u->sanitize = ACL_SANITIZE_SKIP;
    } else if (view_eq_nocase(word, "clearselectors")) {
        selectors_clear(u);
    } else if (view_eq_nocase(word, "reset")) {
        reset(u);
    } else {
        return false;
    }
    return true;
}

enum acl_error acl__user_apply(struct acl_user *u, struct view word)
{
    if (!word.len) return ACL_FINE;
    if (strchr("><#!", word.ptr[0]) && word.ptr[0])
        return apply_password(u, word.ptr[0], view_of(word.ptr + 1, word.len - 1));
    if (word.ptr[0] == '(' && word.ptr[word.len - 1] == ')')
        return apply_selector(u, view_of(word.ptr + 1, word.len - 2));
    if (apply_plain(u, acl_up_to_nul(word))) return ACL_FINE;
    return acl__rules_apply(&u->rules, word);
}

/* ---- selectors in several words ---- */

static bool opens(struct view v)
{
    return v.len && v.ptr[0] == '(' && v.ptr[v.len - 1] != ')';
}

/* Room for all bytes is made first, so that views into `joined` stay. */
enum status acl__words_join(const struct view *argv, size_t argc, struct acl_words *out,
                            struct view *open_out)
{
    *out = (struct acl_words){.list = mem_alloc((argc ? argc : 1) * sizeof(struct view))};
    size_t bytes = 0, start = 0;
    bool open = false;
    for (size_t i = 0; i < argc; i++) bytes += argv[i].len + 1;
    buf_reserve(&out->joined, bytes);
    for (size_t i = 0; i < argc; i++) {
        struct view v = argv[i];
        if (opens(v)) { /* also within one: that begins it anew, as stock has it */
            open = true;
            *open_out = v;
            start = out->joined.len;
            buf_append_view(&out->joined, acl_up_to_nul(v));
        } else if (open) {
            buf_append_char(&out->joined, ' ');
            buf_append_view(&out->joined, acl_up_to_nul(v));
            open = !(v.len && v.ptr[v.len - 1] == ')');
            if (!open)
                out->list[out->count++] =
                    view_of(out->joined.ptr + start, out->joined.len - start);
        } else {
            out->list[out->count++] = v;
        }
    }
    return open ? STATUS_SYNTAX : STATUS_OK;
}

void acl__words_release(struct acl_words *w)
{
    mem_free(w->list);
    buf_release(&w->joined);
}
