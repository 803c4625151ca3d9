/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See loghist.h. Octave 0 has the values below 128 as they are; octave k from 1 on those of
 * [2^(k+6), 2^(k+7)) in steps of 2^(k-1).
 */
#include "ds/loghist.h"

#include <math.h>

#include "base/mem.h"

uint64_t *loghist__octave(struct loghist *h, unsigned octave)
{
    h->octave[octave] = mem_zalloc(LOGHIST_STEPS * sizeof(uint64_t));
    return h->octave[octave];
}

static uint64_t lowest(unsigned octave, unsigned step)
{
    return octave ? (uint64_t)(LOGHIST_STEPS + step) << (octave - 1) : step;
}

static uint64_t highest(unsigned octave, unsigned step)
{
    return octave ? ((uint64_t)(LOGHIST_STEPS + step + 1) << (octave - 1)) - 1 : step;
}

uint64_t loghist_percentile(const struct loghist *h, double percent)
{
    if (!h->count) return 0;
    double wanted = ceil((double)h->count * (percent / 100));
    uint64_t rank = wanted < 1 ? 1 : (uint64_t)wanted, seen = 0;
    for (unsigned o = 0; o < LOGHIST_OCTAVES; o++) {
        for (unsigned s = 0; h->octave[o] && s < LOGHIST_STEPS; s++) {
            seen += h->octave[o][s];
            if (seen >= MIN(rank, h->count)) return percent > 0 ? highest(o, s) : lowest(o, s);
        }
    }
    return 0;
}

uint64_t loghist_count_up_to(const struct loghist *h, unsigned power)
{
    unsigned last = power - LOGHIST_BITS + 1; /* the octave that begins with 2^power */
    uint64_t sum = 0;
    for (unsigned o = 0; o < LOGHIST_OCTAVES && o <= last; o++) {
        unsigned steps = o == last ? 1 : LOGHIST_STEPS;
        for (unsigned s = 0; h->octave[o] && s < steps; s++) sum += h->octave[o][s];
    }
    return sum;
}

void loghist_clear(struct loghist *h)
{
    for (unsigned o = 0; o < LOGHIST_OCTAVES; o++) mem_free(h->octave[o]);
    *h = (struct loghist){0};
}
