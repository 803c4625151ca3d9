/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyspace notifications: events of the keyspace as messages of two channels,
 * __keyspace@<db>__:<key> with the event's name, __keyevent@<db>__:<event> with the key. The option
 * notify-keyspace-events says which classes are told and in which of the two ways. It sets the
 * mask of an ordinary subscriber of events, so while it is empty an event costs its usual test.
 *
 * Thread: the option main; events whoever holds the token.
 */
#include "pubsub/private.h"

#include "base/num.h"
#include "conf/option.h"
#include "pubsub/pubsub.h"

#define NOTIFY_KEYSPACE (1u << 0) /* K */
#define NOTIFY_KEYEVENT (1u << 1) /* E */
#define NOTIFY_ALL                                                                                 \
    (KV_EVENT_GENERIC | KV_EVENT_STRING | KV_EVENT_LIST | KV_EVENT_SET | KV_EVENT_HASH |           \
     KV_EVENT_ZSET | KV_EVENT_EXPIRED | KV_EVENT_EVICTED | KV_EVENT_STREAM | KV_EVENT_MODULE)

static uint32_t flags; /* NOTIFY_* and enum kv_event_class, which begins at bit 2 */

/* In the order in which stock prints them; the first ten are `A`. */
static const struct {
    char letter;
    uint32_t bit;
} letters[] = {
    {'g', KV_EVENT_GENERIC}, {'$', KV_EVENT_STRING},  {'l', KV_EVENT_LIST},
    {'s', KV_EVENT_SET},     {'h', KV_EVENT_HASH},    {'z', KV_EVENT_ZSET},
    {'x', KV_EVENT_EXPIRED}, {'e', KV_EVENT_EVICTED}, {'t', KV_EVENT_STREAM},
    {'d', KV_EVENT_MODULE},  {'n', KV_EVENT_NEW},     {'K', NOTIFY_KEYSPACE},
    {'E', NOTIFY_KEYEVENT},  {'m', KV_EVENT_KEYMISS},
};

/* As stock: behind an `A` an `n` isn't printed. */
static void get_flags(const struct opt_row *row, struct buf *out)
{
    UNUSED(row);
    bool all = (flags & NOTIFY_ALL) == NOTIFY_ALL;
    if (all) buf_append_char(out, 'A');
    for (size_t i = 0; i < ARRAY_COUNT(letters); i++) {
        if (all && letters[i].bit & (NOTIFY_ALL | KV_EVENT_NEW)) continue;
        if (flags & letters[i].bit) buf_append_char(out, letters[i].letter);
    }
}

static uint32_t letter_bits(char letter)
{
    if (letter == 'A') return NOTIFY_ALL;
    for (size_t i = 0; i < ARRAY_COUNT(letters); i++)
        if (letters[i].letter == letter) return letters[i].bit;
    return 0;
}

static enum status set_flags(const struct opt_row *row, const struct view *argv, size_t argc,
                             struct opt_error *err)
{
    UNUSED(row);
    uint32_t wanted = 0;
    for (size_t i = 0; argc && i < argv[0].len; i++) {
        uint32_t bits = letter_bits(argv[0].ptr[i]);
        if (!bits)
            return opt_fail(err, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        wanted |= bits;
    }
    flags = wanted;
    return STATUS_OK;
}

static void channel_name(struct buf *out, const char *prefix, int db, struct view rest)
{
    char digits[NUM_I64_LEN];
    buf_clear(out);
    buf_append_cstr(out, prefix);
    buf_append(out, digits, num_format_i64(digits, db));
    buf_append(out, "__:", 3);
    buf_append_view(out, rest);
}

static void on_event(void *unused, const struct exec_event *e)
{
    UNUSED(unused);
    struct buf channel = {0};
    struct view name = view_of(e->name, strlen(e->name));
    if (!pubsub_topics(PUBSUB_CHANNEL) && !pubsub_topics(PUBSUB_PATTERN)) return;
    if (flags & NOTIFY_KEYSPACE) {
        channel_name(&channel, "__keyspace@", e->db->id, e->key);
        pubsub_publish(PUBSUB_CHANNEL, buf_view(&channel), name);
    }
    if (flags & NOTIFY_KEYEVENT) {
        channel_name(&channel, "__keyevent@", e->db->id, name);
        pubsub_publish(PUBSUB_CHANNEL, buf_view(&channel), e->key);
    }
    buf_release(&channel);
}

static uint32_t event_mask(void)
{
    const uint32_t ways = NOTIFY_KEYSPACE | NOTIFY_KEYEVENT;
    return flags & ways ? flags & ~ways : 0;
}

static enum status apply_flags(struct opt_error *err)
{
    UNUSED(err);
    exec_event_mask(on_event, event_mask());
    return STATUS_OK;
}

static const struct opt_row rows[] = {
    {.name = "notify-keyspace-events", .kind = OPT_SPECIAL, .get = get_flags, .set = set_flags,
     .apply = apply_flags, .section = OPT_SECTION_OBSERVE,
     .doc = "Publish what happens to keys. Letters: K publishes to __keyspace@<db>__:<key>, E to "
            "__keyevent@<db>__:<event>; at least one of them is needed. The classes of events: g "
            "generic commands, $ strings, l lists, s sets, h hashes, z sorted sets, t streams, d "
            "modules, x expired keys, e evicted keys; A is all of these. Besides: m misses, n new "
            "keys. Empty: off."},
};

void pubsub_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}

void pubsub__notify_setup(void)
{
    exec_on_event(event_mask(), on_event, NULL);
}
