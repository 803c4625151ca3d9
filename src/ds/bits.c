/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strings as runs of bits; see bits.h. Everything long goes by words of 8 bytes, the edges by
 * masks. Counting asks the processor whether it has an instruction for that, which is a test of a
 * global that libgcc fills; a table or a multiplication would take about five times as long.
 */
#include "ds/bits.h"

#include <string.h>

/* Sources are combined in pieces that stay in the first-level cache between two of them. */
#define PIECE_BYTES ((size_t)8 << 10)

static uint64_t load_word(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* ---- counting ---- */

ALWAYS_INLINE uint64_t count_words(const unsigned char *p, size_t words)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; words >= 4; words -= 4, p += 32) {
        a += (uint64_t)__builtin_popcountll(load_word(p));
        b += (uint64_t)__builtin_popcountll(load_word(p + 8));
        c += (uint64_t)__builtin_popcountll(load_word(p + 16));
        d += (uint64_t)__builtin_popcountll(load_word(p + 24));
    }
    for (; words; words--, p += 8) a += (uint64_t)__builtin_popcountll(load_word(p));
    return a + b + c + d;
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) static uint64_t count_words_popcnt(const unsigned char *p,
                                                                     size_t words)
{
    return count_words(p, words);
}
#endif

static uint64_t count_words_any(const unsigned char *p, size_t words)
{
#if defined(__x86_64__)
    if (likely(__builtin_cpu_supports("popcnt"))) return count_words_popcnt(p, words);
#endif
    return count_words(p, words);
}

uint64_t bits_count_bytes(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint64_t count = count_words_any(p, len / 8), tail = 0;
    if (len % 8) memcpy(&tail, p + (len & ~(size_t)7), len % 8);
    return count + (uint64_t)__builtin_popcountll(tail);
}

/* The bits of a byte from bit `at` on. */
static unsigned tail_mask(uint64_t at)
{
    return 255u >> (at & 7);
}

uint64_t bits_count(const void *bytes, uint64_t first, uint64_t end)
{
    const unsigned char *p = bytes;
    if (first == end) return 0;
    uint64_t from = first >> 3, to = end >> 3; /* the byte with the end's bit stays outside */
    uint64_t count = bits_count_bytes(p + from, to - from);
    if (end & 7) count += (uint64_t)__builtin_popcount(p[to] & ~tail_mask(end) & 255u);
    return count - (uint64_t)__builtin_popcount(p[from] & ~tail_mask(first) & 255u);
}

/* ---- searching ---- */

/* The first byte from p on, before end, that isn't `skip`. */
static const unsigned char *skip_bytes(const unsigned char *p, const unsigned char *end,
                                       unsigned char skip)
{
    uint64_t word = skip * UINT64_C(0x0101010101010101);
    while (end - p >= 32) {
        uint64_t differs = (load_word(p) ^ word) | (load_word(p + 8) ^ word) |
                           (load_word(p + 16) ^ word) | (load_word(p + 24) ^ word);
        if (differs) break;
        p += 32;
    }
    while (end - p >= 8 && load_word(p) == word) p += 8;
    while (p < end && *p == skip) p++;
    return p;
}

uint64_t bits_find(const void *bytes, uint64_t first, uint64_t end, bool bit)
{
    const unsigned char *p = bytes;
    if (first >= end) return end;
    unsigned char flip = bit ? 0 : 255;
    const unsigned char *at = p + (first >> 3), *stop = p + ((end + 7) >> 3);
    unsigned head = (*at ^ flip) & tail_mask(first);
    if (!head) {
        at = skip_bytes(at + 1, stop, flip);
        if (at == stop) return end;
        head = *at ^ flip;
    }
    uint64_t found = (uint64_t)(at - p) * 8 + (unsigned)__builtin_clz(head) - 24;
    return MIN(found, end);
}

/* ---- combining ---- */

static uint64_t combine_word(enum bits_op op, uint64_t a, uint64_t b)
{
    return op == BITS_AND ? a & b : op == BITS_OR ? a | b : a ^ b;
}

/* to op= from. Inlined for each operation, so that none is asked for within the loop. */
ALWAYS_INLINE void combine_bytes(enum bits_op op, char *to, const char *from, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t a, b;
        memcpy(&a, to + i, 8);
        memcpy(&b, from + i, 8);
        a = combine_word(op, a, b);
        memcpy(to + i, &a, 8);
    }
    for (; i < len; i++) {
        to[i] = (char)combine_word(op, (unsigned char)to[i], (unsigned char)from[i]);
    }
}

static void invert_bytes(char *to, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t a;
        memcpy(&a, to + i, 8);
        a = ~a;
        memcpy(to + i, &a, 8);
    }
    for (; i < len; i++) to[i] = (char)~to[i];
}

/* The bytes of a source that fall into `len` bytes from `from` on. */
static size_t part_of(struct view source, size_t from, size_t len)
{
    return source.len <= from ? 0 : MIN(source.len - from, len);
}

static void combine_piece(enum bits_op op, char *to, size_t from, size_t len,
                          const struct view *sources, size_t count)
{
    size_t part = part_of(sources[0], from, len);
    if (part) memcpy(to, sources[0].ptr + from, part);
    memset(to + part, 0, len - part);
    if (op == BITS_NOT) invert_bytes(to, len);
    for (size_t i = 1; i < count; i++) {
        part = part_of(sources[i], from, len);
        const char *source = part ? sources[i].ptr + from : NULL;
        switch (op) {
        case BITS_AND:
            combine_bytes(BITS_AND, to, source, part);
            memset(to + part, 0, len - part);
            break;
        case BITS_OR: combine_bytes(BITS_OR, to, source, part); break;
        case BITS_XOR: combine_bytes(BITS_XOR, to, source, part); break;
        case BITS_NOT: break;
        }
    }
}

void bits_combine(enum bits_op op, char *to, size_t len, const struct view *sources,
                  size_t count)
{
    for (size_t from = 0; from < len; from += PIECE_BYTES) {
        combine_piece(op, to + from, from, MIN(len - from, PIECE_BYTES), sources, count);
    }
}

/* ---- fields ---- */

int64_t bits_field_get(struct bits_field f, const void *bytes, size_t len, uint64_t at)
{
    /* A field of 64 bits touches at most 9 bytes. */
    unsigned char window[9] = {0};
    uint64_t from = at >> 3;
    if (from < len) memcpy(window, (const unsigned char *)bytes + from, MIN(len - from, 9));
    unsigned shift = at & 7;
    uint64_t word = __builtin_bswap64(load_word(window)) << shift;
    if (shift) word |= (uint64_t)window[8] >> (8 - shift);
    unsigned unused = 64u - f.width;
    return f.is_signed ? (int64_t)word >> unused : (int64_t)(word >> unused);
}

void bits_field_put(struct bits_field f, void *bytes, uint64_t at, int64_t value)
{
    unsigned char *p = (unsigned char *)bytes + (at >> 3);
    unsigned shift = at & 7, left = f.width;
    while (left) {
        unsigned room = 8 - shift, take = MIN(room, left);
        unsigned mask = (255u >> (8 - take)) << (room - take);
        unsigned part = (unsigned)((uint64_t)value >> (left - take)) << (room - take);
        *p = (unsigned char)((*p & ~mask) | (part & mask));
        p++;
        left -= take;
        shift = 0;
    }
}

bool bits_field_add(struct bits_field f, int64_t value, int64_t by, enum bits_overflow overflow,
                    int64_t *out)
{
    __int128 sum = f.is_signed ? (__int128)value : (__int128)(uint64_t)value, min, max;
    sum += by;
    max = ((__int128)1 << (f.width - f.is_signed)) - 1;
    min = f.is_signed ? -max - 1 : 0;
    if (sum >= min && sum <= max) {
        *out = (int64_t)sum;
        return true;
    }
    if (overflow == BITS_FAIL) return false;
    if (overflow == BITS_SATURATE) {
        /* Stock's observed behaviour: what is so far below that its distance from the upper limit
         * exceeds an int64 ends at the upper one. Only SET can bring such a value. */
        bool far_below = f.is_signed && f.width < 64 && max - value > INT64_MAX;
        *out = (int64_t)(sum > max || far_below ? max : min);
        return true;
    }
    unsigned unused = 64u - f.width;
    uint64_t low = (uint64_t)sum << unused;
    *out = f.is_signed ? (int64_t)low >> unused : (int64_t)(low >> unused);
    return true;
}
