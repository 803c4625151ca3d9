/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random choices; see pick.h for the ways and their costs. The set of words hashes by a
 * multiplication, since its words are indexes and addresses of ours, drawn at random: nobody
 * outside chooses them.
 */
#include "types/pick.h"

#include "base/mem.h"
#include "base/random.h"

void pick_seen_init(struct pick_seen *seen, size_t count)
{
    size_t slots = 16;
    while (slots < count * 2) slots *= 2;
    seen->slots = mem_zalloc(slots * sizeof(uint64_t));
    seen->mask = slots - 1;
}

void pick_seen_release(struct pick_seen *seen)
{
    mem_free(seen->slots);
    *seen = (struct pick_seen){0};
}

bool pick_seen_add(struct pick_seen *seen, uint64_t word)
{
    word++;
    size_t i = (size_t)((word * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & seen->mask;
    while (seen->slots[i]) {
        if (seen->slots[i] == word) return false;
        i = (i + 1) & seen->mask;
    }
    seen->slots[i] = word;
    return true;
}

bool pick_walk_next(struct pick_walk *walk)
{
    ASSERT(walk->places > 0);
    bool taken = random_below(walk->places) < walk->wanted;
    walk->places--;
    walk->wanted -= taken;
    return taken;
}
