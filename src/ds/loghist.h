/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of durations with a relative precision of 1/128: each octave (2^k up to 2^(k+1)) has
 * 128 counters, made when the octave is first met, so that a histogram of what always takes about
 * as long is small. Whoever owns it calls; no synchronisation.
 */
#ifndef DS_LOGHIST_H
#define DS_LOGHIST_H

#include "base/macros.h"

#define LOGHIST_BITS    7
#define LOGHIST_STEPS   (1u << LOGHIST_BITS)
#define LOGHIST_OCTAVES 34 /* up to 2^40, some 18 minutes in nanoseconds; more counts as that */

/* All zero is empty. */
struct loghist {
    uint64_t count;
    uint64_t *octave[LOGHIST_OCTAVES]; /* NULL: nothing there yet */
};

/* The octave's counters; made. */
uint64_t *loghist__octave(struct loghist *h, unsigned octave);

/* Counts a value. */
static inline void loghist_add(struct loghist *h, uint64_t value)
{
    const uint64_t most = (UINT64_C(1) << (LOGHIST_OCTAVES + LOGHIST_BITS - 1)) - 1;
    if (unlikely(value > most)) value = most;
    unsigned octave = 0;
    if (value >= LOGHIST_STEPS) {
        octave = 64 - LOGHIST_BITS - (unsigned)__builtin_clzll(value);
        value = (value >> (octave - 1)) - LOGHIST_STEPS;
    }
    uint64_t *counters = h->octave[octave];
    if (unlikely(!counters)) counters = loghist__octave(h, octave);
    counters[value]++;
    h->count++;
}

/* The highest value of the counter in which the share `percent` (0 … 100) of all values is reached;
 * for 0 the lowest of the first. 0 of an empty histogram. */
uint64_t loghist_percentile(const struct loghist *h, double percent);

/* How many values are below 2^power, or as near to it as the precision tells them apart: up to
 * 2^power and a 128th of it. power: LOGHIST_BITS and more. */
uint64_t loghist_count_up_to(const struct loghist *h, unsigned power);

/* Empties it, and frees what it has. */
void loghist_clear(struct loghist *h);

#endif
