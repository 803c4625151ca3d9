/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large pages: one of 2 MB where there were 512 of 4 KB. They make fork() short, which copies an
 * entry of the page tables for each, and the processor's walks of these tables fewer.
 *
 * The kernel is asked for one where all 512 are in memory already, from a thread that has time for
 * it. So the resident set doesn't grow, as it does where the kernel gives a large page to whoever
 * touches the first byte of it, or fills it up behind those who gave a part back; and nobody waits
 * while 2 MB are cleared. Whoever gives a part back later, or writes to it while a child shares it,
 * makes 512 small ones of it: 4 KB are given back, or copied.
 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include "base/macros.h"

/* How far a pass over the process's memory has come. Zeroed: it begins. */
struct pages_pass {
    uintptr_t next;
    int64_t made_us; /* what the last call's large page took; about 0: it has made none */
};

enum pages_outcome {
    PAGES_DONE,  /* the pass is through */
    PAGES_MORE,  /* one was made, the time is over, or pages are held; call again */
    PAGES_UNABLE /* the kernel can't, or has no large pages to give: no use to go on now */
};

/* Goes on with a pass, which makes large pages for all private memory without a file that is
 * resident throughout: until one has been made, or for about limit_us. For each, 2 MB are copied,
 * some 0.3 ms, in a virtual machine ten times as much, and who touches them waits for that. Any
 * thread, one at a time. */
enum pages_outcome pages_gather(struct pages_pass *pass, int64_t limit_us);

/* While a child shares the pages, gathering them would copy what they both have: it rests from
 * before the fork until the child is gone. Any thread. */
void pages_hold(bool on);

/* Whether it rests. Any thread. */
bool pages_held(void);

#endif
