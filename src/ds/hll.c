/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HyperLogLog; see hll.h. A sparse one is changed by cutting the run that holds the register into
 * up to three and joining runs afterwards. Where stock joins is part of the format here: it isn't
 * needed for the counts, but makes the strings of both servers equal.
 */
#include "ds/hll.h"

#include <math.h>
#include <string.h>

#define HASH_SEED UINT64_C(0xadc83b19)
#define INDEX_BITS 14
#define VALUE_BITS (64 - INDEX_BITS)
#define VALUE_MAX (VALUE_BITS + 1)
#define SPARSE_VALUE_MAX 32
#define SPARSE_VALUE_RUN_MAX 4
#define SHORT_ZEROS_MAX 64
/* Runs that are looked at for joining after a change. */
#define JOIN_STEPS 5

/* ---- hash ---- */

static uint64_t load_le64(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word; /* this machine is little-endian, as is the format */
}

/* MurmurHash64A, public domain, by A. Appleby. */
static uint64_t murmur(struct view v)
{
    const uint64_t factor = UINT64_C(0xc6a4a7935bd1e995);
    const unsigned char *p = (const unsigned char *)v.ptr;
    uint64_t hash = HASH_SEED ^ (v.len * factor);
    size_t left = v.len;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t part = load_le64(p) * factor;
        part = (part ^ part >> 47) * factor;
        hash = (hash ^ part) * factor;
    }
    if (left) {
        uint64_t tail = 0;
        memcpy(&tail, p, left);
        hash = (hash ^ tail) * factor;
    }
    hash = (hash ^ hash >> 47) * factor;
    return hash ^ hash >> 47;
}

struct hll_hit hll_hit_of(struct view element)
{
    uint64_t hash = murmur(element);
    uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << VALUE_BITS; /* so that the run ends */
    return (struct hll_hit){.index = hash & (HLL_REGISTERS - 1),
                            .value = (uint8_t)(__builtin_ctzll(rest) + 1)};
}

/* ---- head ---- */

bool hll_is_valid(struct view bytes)
{
    if (bytes.len < HLL_HEAD || memcmp(bytes.ptr, "HYLL", 4) != 0) return false;
    unsigned encoding = (unsigned char)bytes.ptr[4];
    return encoding == 1 || (encoding == 0 && bytes.len == HLL_DENSE_BYTES);
}

bool hll_cached(const void *bytes, uint64_t *out)
{
    *out = load_le64((const unsigned char *)bytes + 8);
    return !(*out >> 63);
}

void hll_cache_set(void *bytes, uint64_t estimate)
{
    memcpy((char *)bytes + 8, &estimate, sizeof(estimate));
}

void hll_cache_drop(void *bytes)
{
    ((unsigned char *)bytes)[15] |= 128;
}

/* ---- dense ---- */

unsigned hll_dense_get(const void *bytes, unsigned index)
{
    const unsigned char *p = (const unsigned char *)bytes + HLL_HEAD + index * 6 / 8;
    unsigned shift = index * 6 % 8, value = (unsigned)*p >> shift;
    if (shift > 2) value |= (unsigned)p[1] << (8 - shift);
    return value & 63;
}

static void dense_put(void *bytes, unsigned index, unsigned value)
{
    unsigned char *p = (unsigned char *)bytes + HLL_HEAD + index * 6 / 8;
    unsigned shift = index * 6 % 8;
    *p = (unsigned char)((*p & ~(63u << shift)) | value << shift);
    if (shift <= 2) return;
    p[1] = (unsigned char)((p[1] & ~(63u >> (8 - shift))) | value >> (8 - shift));
}

bool hll_dense_raise(void *bytes, struct hll_hit hit)
{
    if (hll_dense_get(bytes, hit.index) >= hit.value) return false;
    dense_put(bytes, hit.index, hit.value);
    return true;
}

/* All registers of a dense one; three bytes hold four. */
static void dense_unpack(const void *bytes, uint8_t *out)
{
    const unsigned char *p = (const unsigned char *)bytes + HLL_HEAD;
    for (unsigned i = 0; i < HLL_REGISTERS; i += 4, p += 3) {
        uint32_t four = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
        out[i] = four & 63;
        out[i + 1] = four >> 6 & 63;
        out[i + 2] = four >> 12 & 63;
        out[i + 3] = (uint8_t)(four >> 18);
    }
}

/* ---- sparse ---- */

bool hll_next_run(struct view bytes, size_t *at, struct hll_run *out)
{
    if (*at >= bytes.len) return false;
    unsigned first = (unsigned char)bytes.ptr[(*at)++];
    *out = (struct hll_run){.length = (first & 63) + 1};
    if (first & 128) {
        out->value = (first >> 2 & 31) + 1;
        out->length = (first & 3) + 1;
    } else if (first & 64) {
        if (*at >= bytes.len) return false;
        out->is_wide = true;
        out->length = ((first & 63) << 8 | (unsigned char)bytes.ptr[(*at)++]) + 1;
    }
    return true;
}

/* Writes zeros in the shortest way and returns how many bytes that took: 0 for none. */
static size_t write_zeros(unsigned char *to, unsigned length)
{
    if (length == 0) return 0;
    if (length <= SHORT_ZEROS_MAX) {
        to[0] = (unsigned char)(length - 1);
        return 1;
    }
    to[0] = (unsigned char)(64 | (length - 1) >> 8);
    to[1] = (unsigned char)(length - 1);
    return 2;
}

static size_t write_values(unsigned char *to, unsigned value, unsigned length)
{
    if (length == 0) return 0;
    to[0] = (unsigned char)(128 | (value - 1) << 2 | (length - 1));
    return 1;
}

static size_t write_run(unsigned char *to, unsigned value, unsigned length)
{
    return value ? write_values(to, value, length) : write_zeros(to, length);
}

void hll_init(struct hll *h)
{
    memset(h->bytes, 0, HLL_HEAD);
    memcpy(h->bytes, "HYLL\1", 5);
    h->len = HLL_HEAD + write_zeros(h->bytes + HLL_HEAD, HLL_REGISTERS);
}

enum status hll_load(struct hll *h, struct view bytes)
{
    if (bytes.len > HLL_SPARSE_BYTES_MAX) return STATUS_SYNTAX;
    memcpy(h->bytes, bytes.ptr, bytes.len);
    h->len = bytes.len;
    return STATUS_OK;
}

/* Adds the runs' registers to max. */
static enum status sparse_merge(struct view bytes, uint8_t *max)
{
    size_t at = HLL_HEAD, index = 0;
    struct hll_run run;
    while (hll_next_run(bytes, &at, &run)) {
        if (run.length > HLL_REGISTERS - index) return STATUS_SYNTAX;
        if (run.value) {
            for (unsigned i = 0; i < run.length; i++)
                max[index + i] = MAX(max[index + i], (uint8_t)run.value);
        }
        index += run.length;
    }
    return index == HLL_REGISTERS ? STATUS_OK : STATUS_SYNTAX;
}

enum status hll_to_dense(struct hll *h)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    if (hll_is_dense(h->bytes)) return STATUS_OK;
    if (sparse_merge(hll_view(h), registers)) return STATUS_SYNTAX;
    memset(h->bytes + HLL_HEAD, 0, HLL_DENSE_BYTES - HLL_HEAD);
    h->bytes[4] = 0;
    h->len = HLL_DENSE_BYTES;
    for (unsigned i = 0; i < HLL_REGISTERS; i++) {
        if (registers[i]) dense_put(h->bytes, i, registers[i]);
    }
    return STATUS_OK;
}

static enum status dense_raise_status(struct hll *h, struct hll_hit hit)
{
    return hll_dense_raise(h->bytes, hit) ? STATUS_OK : STATUS_EXISTS;
}

/* What lies around a register in the runs. */
struct place {
    size_t before, at, behind; /* the run ahead of it (or itself), the run, the next */
    unsigned first;            /* register where the run begins */
    struct hll_run run;
};

static enum status find_place(const struct hll *h, unsigned index, struct place *out)
{
    size_t at = HLL_HEAD, before = HLL_HEAD, here = HLL_HEAD;
    unsigned first = 0;
    while (hll_next_run(hll_view(h), &at, &out->run)) {
        if (index < first + out->run.length) {
            if (first + out->run.length > HLL_REGISTERS) return STATUS_SYNTAX;
            out->before = before;
            out->at = here;
            out->behind = at;
            out->first = first;
            return STATUS_OK;
        }
        first += out->run.length;
        before = here;
        here = at;
    }
    return STATUS_SYNTAX;
}

/* Joins runs of the same value from `at` on, as far as stock looks: a join doesn't move on, so
 * that what was joined may be joined again. */
static void join_runs(struct hll *h, size_t at)
{
    for (int step = 0; step < JOIN_STEPS && at < h->len; step++) {
        struct hll_run run, next;
        size_t behind = at, end;
        if (!hll_next_run(hll_view(h), &behind, &run)) return;
        end = behind;
        bool joins = run.value && hll_next_run(hll_view(h), &end, &next) &&
                     next.value == run.value && run.length + next.length <= SPARSE_VALUE_RUN_MAX;
        if (joins) {
            write_values(h->bytes + at, run.value, run.length + next.length);
            memmove(h->bytes + behind, h->bytes + end, h->len - end);
            h->len -= end - behind;
        } else {
            at = behind;
        }
    }
}

enum status hll_raise(struct hll *h, struct hll_hit hit, size_t sparse_max)
{
    struct place p;
    if (hll_is_dense(h->bytes)) return dense_raise_status(h, hit);
    if (hit.value > SPARSE_VALUE_MAX) {
        return hll_to_dense(h) ? STATUS_SYNTAX : dense_raise_status(h, hit);
    }
    if (find_place(h, hit.index, &p)) return STATUS_SYNTAX;
    if (p.run.value >= hit.value) return STATUS_EXISTS;

    /* The run is cut into what is left of the register, itself, and what is right of it. */
    unsigned char cut[5];
    unsigned left = hit.index - p.first;
    size_t cut_len = write_run(cut, p.run.value, left);
    cut_len += write_values(cut + cut_len, hit.value, 1);
    cut_len += write_run(cut + cut_len, p.run.value, p.run.length - left - 1);

    size_t old_len = p.behind - p.at, len = h->len - old_len + cut_len;
    bool too_long = cut_len > old_len && (len > sparse_max || len > HLL_SPARSE_BYTES_MAX);
    if (too_long) return hll_to_dense(h) ? STATUS_SYNTAX : dense_raise_status(h, hit);
    memmove(h->bytes + p.at + cut_len, h->bytes + p.behind, h->len - p.behind);
    memcpy(h->bytes + p.at, cut, cut_len);
    h->len = len;
    join_runs(h, p.before);
    return STATUS_OK;
}

enum status hll_merge(struct view bytes, uint8_t *max)
{
    if (!hll_is_dense(bytes.ptr)) return sparse_merge(bytes, max);
    uint8_t registers[HLL_REGISTERS];
    dense_unpack(bytes.ptr, registers);
    for (unsigned i = 0; i < HLL_REGISTERS; i++) max[i] = MAX(max[i], registers[i]);
    return STATUS_OK;
}

/* ---- estimate ---- */

/* Ertl's sigma: x + the sum of x^(2^k) * 2^(k-1), until nothing is added. 0 <= x <= 1. */
static double sigma(double x)
{
    if (x == 1) return INFINITY;
    double sum = x, last, weight = 1;
    do {
        last = sum;
        x *= x;
        sum += x * weight;
        weight += weight;
    } while (sum != last);
    return sum;
}

/* Ertl's tau: (1 - x - the sum of (1 - x^(2^-k))^2 * 2^-k) / 3. 0 <= x <= 1. */
static double tau(double x)
{
    if (x == 0 || x == 1) return 0;
    double sum = 1 - x, last, weight = 1;
    do {
        last = sum;
        x = sqrt(x);
        weight *= 0.5;
        sum -= (1 - x) * (1 - x) * weight;
    } while (sum != last);
    return sum / 3;
}

/* From how many registers have each value. */
static uint64_t estimate_of(const unsigned counts[64])
{
    const double alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    const double m = HLL_REGISTERS;
    double z = m * tau((m - counts[VALUE_MAX]) / m);
    for (unsigned value = VALUE_BITS; value >= 1; value--) {
        z += counts[value];
        z *= 0.5;
    }
    z += m * sigma(counts[0] / m);
    double estimate = alpha * m * m / z;
    return estimate < 0x1p63 ? (uint64_t)llround(estimate) : UINT64_C(1) << 63;
}

uint64_t hll_estimate(const uint8_t *registers)
{
    /* Four tables, since equal neighbours would wait for each other's counter. */
    unsigned counts[4][64] = {{0}};
    for (unsigned i = 0; i < HLL_REGISTERS; i += 4) {
        for (unsigned k = 0; k < 4; k++) counts[k][registers[i + k] & 63]++;
    }
    for (unsigned value = 0; value < 64; value++)
        counts[0][value] += counts[1][value] + counts[2][value] + counts[3][value];
    return estimate_of(counts[0]);
}

enum status hll_count(struct view bytes, uint64_t *out)
{
    if (hll_is_dense(bytes.ptr)) {
        uint8_t registers[HLL_REGISTERS];
        dense_unpack(bytes.ptr, registers);
        *out = hll_estimate(registers);
        return STATUS_OK;
    }
    unsigned counts[64] = {0};
    size_t at = HLL_HEAD, index = 0;
    struct hll_run run;
    while (hll_next_run(bytes, &at, &run)) {
        if (run.length > HLL_REGISTERS - index) return STATUS_SYNTAX;
        index += run.length;
        counts[run.value] += run.length;
    }
    if (index != HLL_REGISTERS) return STATUS_SYNTAX;
    *out = estimate_of(counts);
    return STATUS_OK;
}
