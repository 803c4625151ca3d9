/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is resident is asked of the kernel (/proc/self/maps and pagemap) rather than of the
 * allocators: so it goes for slabs, jemalloc's pages and Python's alike, and none of them needs to
 * know. A mapping that goes or changes meanwhile makes a request fail, or gives a large page to
 * what has come in its place: either does no harm.
 *
 * Rejected: MADV_HUGEPAGE, for the two reasons that pages.h names. With it a million elements in
 * lists and streams need more memory than they do in stock, and of a heap of which nine tenths were
 * given back, the kernel fills the gaps again.
 */
#include "base/pages.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1; headers may be older than the kernel */
#endif

#define SMALL_BYTES ((uintptr_t)4096)
#define LARGE_BYTES ((uintptr_t)2 << 20)
#define SMALL_IN_LARGE (LARGE_BYTES / SMALL_BYTES)
/* Bits of an entry of pagemap, as the kernel's documentation of it has them. */
#define PRESENT ((uint64_t)1 << 63)
#define OF_A_FILE ((uint64_t)1 << 61)
/* What takes longer has made a large page; there was one already if not. */
#define QUICK_US 50
/* So many refusals in a row say that there are none to be had. */
#define REFUSALS_MAX 8

static atomic_bool held;

void pages_hold(bool on)
{
    atomic_store(&held, on);
}

bool pages_held(void)
{
    return atomic_load(&held);
}

/* What a pass needs while it goes on. */
struct search {
    int pagemap;
    int64_t end_us;
    unsigned refusals;
    bool came_on; /* each call looks at one place at least, however short its time */
};

/* A line of maps: private memory that may be written and has neither file nor name. What is larger
 * than the machine's memory is full of gaps; sanitizers have such. */
static bool mapping_parse(const char *line, uintptr_t *from, uintptr_t *to)
{
    char mode[8];
    unsigned long long inode;
    int named = 0;
    if (sscanf(line, "%lx-%lx %7s %*s %*s %llu %n", from, to, mode, &inode, &named) != 4)
        return false;
    if (strcmp(mode, "rw-p") || inode || line[named]) return false;
    return (*to - *from) / SMALL_BYTES <= (uintptr_t)sysconf(_SC_PHYS_PAGES);
}

static bool resident_throughout(int pagemap, uintptr_t at)
{
    uint64_t entries[SMALL_IN_LARGE];
    off_t where = (off_t)(at / SMALL_BYTES * sizeof(entries[0]));
    if (pread(pagemap, entries, sizeof(entries), where) != (ssize_t)sizeof(entries)) return false;
    for (size_t i = 0; i < SMALL_IN_LARGE; i++)
        if ((entries[i] & (PRESENT | OF_A_FILE)) != PRESENT) return false;
    return true;
}

/* What is in one mapping, from pass->next on. */
static enum pages_outcome search_mapping(struct search *s, struct pages_pass *pass, uintptr_t from,
                                         uintptr_t to)
{
    uintptr_t at = MAX(from, pass->next);
    at = (at + LARGE_BYTES - 1) & ~(LARGE_BYTES - 1);
    for (; at < to && to - at >= LARGE_BYTES; at += LARGE_BYTES) {
        pass->next = at;
        if (pages_held() || (s->came_on && clock_mono_us() >= s->end_us)) return PAGES_MORE;
        s->came_on = true;
        if (!resident_throughout(s->pagemap, at)) continue;
        int64_t began_us = clock_mono_us();
        bool given = madvise((void *)at, LARGE_BYTES, MADV_COLLAPSE) == 0;
        s->refusals = given ? 0 : s->refusals + 1;
        if (s->refusals == REFUSALS_MAX) return PAGES_UNABLE;
        pass->made_us = clock_mono_us() - began_us;
        if (!given || pass->made_us <= QUICK_US) continue;
        pass->next = at + LARGE_BYTES;
        return PAGES_MORE;
    }
    return PAGES_DONE;
}

/* Not by the C library, for whose buffers the allocator would make an arena for the thread: half a
 * megabyte that nobody asked for. */
struct lines {
    int fd;
    size_t at, len;
    char buf[4096];
};

/* NULL at the end. One that is longer than the buffer comes in pieces. */
static const char *next_line(struct lines *l)
{
    for (;;) {
        char *line = l->buf + l->at, *end = memchr(line, '\n', l->len - l->at);
        if (end) {
            *end = '\0';
            l->at = (size_t)(end - l->buf) + 1;
            return line;
        }
        l->len -= l->at;
        memmove(l->buf, line, l->len);
        l->at = 0;
        if (l->len == sizeof(l->buf)) l->len = 0;
        ssize_t got = read(l->fd, l->buf + l->len, sizeof(l->buf) - l->len);
        if (got <= 0) return NULL;
        l->len += (size_t)got;
    }
}

static enum pages_outcome search_all(struct search *s, struct pages_pass *pass, int maps)
{
    enum pages_outcome outcome = PAGES_DONE;
    struct lines lines = {.fd = maps};
    const char *line;
    uintptr_t from, to;
    while (outcome == PAGES_DONE && (line = next_line(&lines))) {
        if (mapping_parse(line, &from, &to)) outcome = search_mapping(s, pass, from, to);
    }
    return outcome;
}

enum pages_outcome pages_gather(struct pages_pass *pass, int64_t limit_us)
{
    struct search s = {.end_us = clock_mono_us() + limit_us};
    enum pages_outcome outcome = PAGES_UNABLE;
    pass->made_us = 0;
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    s.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (maps >= 0 && s.pagemap >= 0 && sysconf(_SC_PAGESIZE) == (long)SMALL_BYTES)
        outcome = search_all(&s, pass, maps);
    if (s.pagemap >= 0) close(s.pagemap);
    if (maps >= 0) close(maps);
    if (outcome != PAGES_MORE) pass->next = 0;
    return outcome;
}
