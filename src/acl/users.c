/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All users, sorted by name: an array, since users are looked for when somebody logs in and listed
 * in this order, and change rarely. And what follows for clients when users change.
 */
#include "acl/private.h"
#include "base/mem.h"
#include "exec/admit.h"
#include "exec/client.h"
#include "exec/reply.h"

static struct {
    struct acl_user **list;
    size_t count, cap;
    struct acl_user *dflt;
} users;

/* ---- finding ---- */

static int name_cmp(struct view a, struct view b)
{
    size_t n = MIN(a.len, b.len);
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

size_t acl__place_of(struct acl_user *const *list, size_t count, struct view name, bool *found_out)
{
    size_t low = 0, high = count;
    *found_out = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = name_cmp(name, list[mid]->base.name);
        if (c == 0) {
            *found_out = true;
            return mid;
        }
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

struct acl_user *acl_find(struct view name)
{
    bool found;
    size_t at = acl__place_of(users.list, users.count, name, &found);
    return found ? users.list[at] : NULL;
}

size_t acl_count(void)
{
    return users.count;
}

const struct acl_user *acl_at(size_t index)
{
    ASSERT(index < users.count);
    return users.list[index];
}

struct view acl_name(const struct acl_user *u)
{
    return u->base.name;
}

struct exec_user *acl_exec_user(struct acl_user *u)
{
    return &u->base;
}

struct exec_user *acl__exec_find(struct view name)
{
    struct acl_user *u = acl_find(name);
    return u ? &u->base : NULL;
}

struct acl_user *acl__default_user(void)
{
    return users.dflt;
}

bool acl_default_has_no_password(void)
{
    return users.dflt->nopass;
}

/* ---- changing ---- */

void acl__users_add(struct acl_user *u)
{
    bool found;
    size_t at = acl__place_of(users.list, users.count, u->base.name, &found);
    ASSERT(!found);
    if (users.count == users.cap) {
        users.cap = users.cap ? users.cap * 2 : 8;
        users.list = mem_realloc(users.list, users.cap * sizeof(struct acl_user *));
    }
    memmove(users.list + at + 1, users.list + at, (users.count - at) * sizeof(struct acl_user *));
    users.list[at] = u;
    users.count++;
    if (view_eq_cstr(u->base.name, "default")) users.dflt = u;
}

static void note_rights(struct acl_user *u)
{
    u->base.admit = acl__rules_are_open(&u->rules) ? 0 : ADMIT_ACL;
}

void acl__users_changed(struct acl_user *u)
{
    note_rights(u);
    if (u != users.dflt) {
        client_users_changed();
        return;
    }
    struct client_login login = {
        .user = &u->base, .open = u->on && u->nopass, .no_password = u->nopass};
    client_set_login(&login);
}

struct acl_user *acl__default_new(void)
{
    struct acl_user *u = acl__user_new(VIEW_LIT("default"));
    static const char *const words[] = {"on", "nopass", "+@all", "~*", "&*"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (acl__user_apply(u, view_cstr(words[i]))) ASSERT(false);
    return u;
}

/* ---- clients of those who go ---- */

static void end_client(void *ctx, struct client *c)
{
    const struct exec_ctx *by = ctx;
    client_set_user(c, &users.dflt->base, false);
    client_kill(c, by ? by->client : NULL);
}

/* The user is in the list no more. */
static void end_user(const struct exec_ctx *ctx, struct acl_user *u)
{
    struct client_filter f = {.user = &u->base};
    client_each(&f, end_client, (void *)(uintptr_t)ctx);
    acl__user_end(u);
}

bool acl_delete_user(struct exec_ctx *ctx, struct view name)
{
    bool found;
    size_t at = acl__place_of(users.list, users.count, name, &found);
    if (!found) return false;
    struct acl_user *u = users.list[at];
    ASSERT(u != users.dflt);
    users.count--;
    memmove(users.list + at, users.list + at + 1, (users.count - at) * sizeof(struct acl_user *));
    end_user(ctx, u);
    return true;
}

void acl__users_replace(struct exec_ctx *ctx, struct acl_user **take_list, size_t count,
                        struct acl_user *take_default)
{
    struct acl_user **old = users.list;
    size_t old_count = users.count;
    users.list = NULL;
    users.count = users.cap = 0;
    for (size_t i = 0; i < old_count; i++)
        if (old[i] != users.dflt) end_user(ctx, old[i]);
    mem_free(old);
    acl__users_add(users.dflt);
    for (size_t i = 0; i < count; i++) {
        acl__users_add(take_list[i]);
        note_rights(take_list[i]); /* it has no clients yet */
    }
    acl__user_take(users.dflt, take_default);
    acl__user_end(take_default);
    acl__users_changed(users.dflt);
}

void acl__users_teardown(void)
{
    client_set_login(&(struct client_login){.open = true, .no_password = true});
    for (size_t i = 0; i < users.count; i++) acl__user_end(users.list[i]);
    mem_free(users.list);
    users.list = NULL;
    users.count = users.cap = 0;
    users.dflt = NULL;
}

/* ---- subscribers ---- */

static acl_subscriptions_fn *each_subscription;

void acl_on_subscriptions(acl_subscriptions_fn *each)
{
    each_subscription = each;
}

/* Subscribing asks for the right to the channel only, whichever rules give it. */
static bool rules_have_channel(const struct acl_rules *r, bool pattern, struct view name)
{
    if (r->all_channels) return true;
    return pattern ? acl__patterns_find(&r->channels, name) != NULL
                   : acl__patterns_match(&r->channels, arg_of_view(name), ACL_READ_WRITE);
}

static bool has_channel(const struct acl_user *u, bool pattern, struct view name)
{
    if (rules_have_channel(&u->rules, pattern, name)) return true;
    for (size_t i = 0; i < u->selector_count; i++)
        if (rules_have_channel(&u->selectors[i], pattern, name)) return true;
    return false;
}

struct revoking {
    const struct acl_user *user;
    const struct exec_ctx *by;
    bool lost;
};

static void check_subscription(void *at, bool pattern, struct view name)
{
    struct revoking *r = at;
    r->lost |= !has_channel(r->user, pattern, name);
}

static void check_client(void *at, struct client *c)
{
    struct revoking *r = at;
    r->lost = false;
    each_subscription(c, check_subscription, r);
    if (r->lost) client_kill(c, r->by->client);
}

/* As observed of stock: whoever has a subscription that no pattern covers is closed, also if it is
 * older than the client's login and no pattern went away. */
void acl__users_revoke(const struct exec_ctx *ctx, const struct exec_user *user,
                       const struct acl_user *now)
{
    if (!each_subscription || now->rules.all_channels) return;
    for (size_t i = 0; i < now->selector_count; i++)
        if (now->selectors[i].all_channels) return;
    struct revoking r = {.user = now, .by = ctx};
    struct client_filter f = {.user = user};
    client_each(&f, check_client, &r);
}
