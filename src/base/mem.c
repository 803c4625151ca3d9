/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory front over jemalloc or libc. Under jemalloc the plain names malloc/free are the
 * allocator's own, so libraries (CPython among them) share it and are counted with it.
 */
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>

#define MEM_TEXT_(x) #x
#define MEM_TEXT(x) MEM_TEXT_(x)
#define MEM_ALL_ARENAS MEM_TEXT(MALLCTL_ARENAS_ALL)
#endif

#include "base/blob.h"
#include "base/slab.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEM_SANITIZER 1
/* The sanitizers' allocator interface; libc's counters know nothing of their heap. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

/* Above this no request is meant seriously: user addresses have 47 bits. */
#define MEM_MAX_REQUEST ((size_t)1 << 46)

static _Atomic size_t mem_peak_bytes;

_Noreturn void mem_out(size_t size)
{
    fprintf(stderr, "Out of memory: cannot allocate %zu bytes\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *ptr = malloc(size ? size : 1);
    if (unlikely(!ptr)) mem_out(size);
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    if (unlikely(!ptr)) mem_out(size);
    return ptr;
}

void *mem_alloc_aligned(size_t align, size_t size)
{
    void *ptr = NULL;
    if (unlikely(posix_memalign(&ptr, align, size) != 0)) mem_out(size);
    return ptr;
}

void *mem_realloc(void *ptr, size_t size)
{
    void *moved = realloc(ptr, size ? size : 1);
    if (unlikely(!moved)) mem_out(size);
    return moved;
}

void *mem_try_alloc(size_t size)
{
    if (size > MEM_MAX_REQUEST) return NULL;
    return malloc(size ? size : 1);
}

void *mem_try_alloc_aligned(size_t align, size_t size)
{
    void *ptr = NULL;
    if (size > MEM_MAX_REQUEST || posix_memalign(&ptr, align, size) != 0) return NULL;
    return ptr;
}

void *mem_try_realloc(void *ptr, size_t size)
{
    if (size > MEM_MAX_REQUEST) return NULL;
    return realloc(ptr, size ? size : 1);
}

void mem_free(void *ptr)
{
    free(ptr);
}

size_t mem_usable(const void *ptr)
{
    return ptr ? malloc_usable_size((void *)ptr) : 0;
}

size_t mem_good_size(size_t size)
{
#ifdef HAVE_JEMALLOC
    return size ? nallocx(size, 0) : nallocx(1, 0);
#elif defined(__SANITIZE_ADDRESS__)
    return size; /* the sanitizer guards every byte behind what was asked for */
#else
    /* glibc: 8 bytes of header, 16-byte steps, 24 at least. */
    return size <= 24 ? 24 : ((size + 8 + 15) & ~(size_t)15) - 8;
#endif
}

char *mem_dup(const void *ptr, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len) memcpy(copy, ptr, len);
    copy[len] = '\0';
    return copy;
}

#ifdef HAVE_JEMALLOC
/* jemalloc's own counters of this thread's bytes. */
static _Thread_local struct {
    uint64_t *allocated, *freed;
    uint64_t at_sample; /* allocated - freed then */
    uint64_t sample;    /* which one */
    uint64_t told;      /* allocated - freed when others were told of it */
    uint64_t told_sample;
} mem_thread;

/* What mem_used_tell() may add though a sample has it, perhaps. */
#define MEM_TOLD_TWICE_MAX 65536

static _Atomic size_t mem_sampled_bytes; /* without blobs' areas, whose count is exact */
static _Atomic uint64_t mem_sample;
static _Atomic int64_t mem_told_bytes, mem_told_at_sample;

static uint64_t mem_thread_bytes(void)
{
    if (unlikely(!mem_thread.allocated)) {
        size_t len = sizeof(uint64_t *);
        if (mallctl("thread.allocatedp", &mem_thread.allocated, &len, NULL, 0) ||
            mallctl("thread.deallocatedp", &mem_thread.freed, &len, NULL, 0)) {
            mem_thread.allocated = NULL;
            return 0;
        }
    }
    return *mem_thread.allocated - *mem_thread.freed + (uint64_t)slab_thread_bytes();
}

static void mem_sampled(size_t used)
{
    mem_thread.at_sample = mem_thread_bytes();
    atomic_store_explicit(&mem_told_at_sample,
                          atomic_load_explicit(&mem_told_bytes, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store(&mem_sampled_bytes, used);
    mem_thread.sample = atomic_fetch_add(&mem_sample, 1) + 1;
}
#endif

size_t mem_used_about(void)
{
#ifdef HAVE_JEMALLOC
    /* Another thread has taken the last sample: what this one did before isn't known. */
    if (mem_thread.sample != atomic_load_explicit(&mem_sample, memory_order_relaxed) ||
        !mem_thread.sample)
        return mem_used();
    int64_t since = (int64_t)(mem_thread_bytes() - mem_thread.at_sample) +
                    atomic_load_explicit(&mem_told_bytes, memory_order_relaxed) -
                    atomic_load_explicit(&mem_told_at_sample, memory_order_relaxed);
    int64_t sum = (int64_t)atomic_load_explicit(&mem_sampled_bytes, memory_order_relaxed) + since;
    return (sum > 0 ? (size_t)sum : 0) + blob_area_bytes();
#else
    return mem_used();
#endif
}

void mem_used_tell(void)
{
#ifdef HAVE_JEMALLOC
    uint64_t now = mem_thread_bytes(), sample = atomic_load(&mem_sample);
    int64_t since = (int64_t)(now - mem_thread.told);
    /* Whether a sample that came between has it already can't be told. Of much, it is assumed: a
     * limit may be passed for a moment rather than keys evicted for what isn't there. */
    if (since && (sample == mem_thread.told_sample || since < MEM_TOLD_TWICE_MAX))
        atomic_fetch_add_explicit(&mem_told_bytes, since, memory_order_relaxed);
    mem_thread.told = now;
    mem_thread.told_sample = sample;
#endif
}

#ifdef HAVE_JEMALLOC
static size_t mem_allocator_figure(const char *name, size_t otherwise)
{
    size_t value, len = sizeof(value);
    return mallctl(name, &value, &len, NULL, 0) == 0 ? value : otherwise;
}

/* What lies in the threads' caches counts as allocated for jemalloc, and isn't used by anybody:
 * some hundred kilobytes. */
static size_t mem_cached(void)
{
    return mem_allocator_figure("stats.arenas." MEM_ALL_ARENAS ".tcache_bytes", 0);
}
#endif

size_t mem_used(void)
{
    size_t used = 0;
#ifdef HAVE_JEMALLOC
    uint64_t epoch = 1;
    size_t len = sizeof(epoch);
    mallctl("epoch", &epoch, &len, &epoch, len);
    size_t allocated = mem_allocator_figure("stats.allocated", 0), cached = mem_cached();
    used = allocated > cached ? allocated - cached : 0;
#elif defined(MEM_SANITIZER)
    used = __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 info = mallinfo2();
    used = info.uordblks + info.hblkhd;
#endif
    struct mem_stats slabs;
    slab_stats(&slabs);
    used += slabs.used;
#ifdef HAVE_JEMALLOC
    mem_sampled(used);
#endif
    used += blob_area_bytes();
    size_t peak = atomic_load_explicit(&mem_peak_bytes, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak(&mem_peak_bytes, &peak, used)) continue;
    return used;
}

void mem_background_purge(bool on)
{
#ifdef HAVE_JEMALLOC
    mallctl("background_thread", NULL, NULL, &on, sizeof(on));
#else
    UNUSED(on);
#endif
}

void mem_stats(struct mem_stats *out)
{
    size_t used = mem_used(); /* brings the allocator's figures up to date */
    *out = (struct mem_stats){used, used, used, mem_rss()};
#ifdef HAVE_JEMALLOC
    struct mem_stats slabs;
    slab_stats(&slabs);
    size_t areas = blob_area_bytes();
    out->allocated = mem_allocator_figure("stats.allocated", used) + slabs.allocated + areas;
    out->active = mem_allocator_figure("stats.active", out->allocated) + slabs.active + areas;
    out->resident = mem_allocator_figure("stats.resident", out->active) + slabs.resident + areas;
#endif
}

#ifdef HAVE_JEMALLOC
void mem_purge(void)
{
    slab_purge();
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl("arena." MEM_ALL_ARENAS ".purge", NULL, NULL, NULL, 0);
}

int mem_allocator_get(const char *name, int64_t *out)
{
    size_t len = sizeof(*out);
    int64_t value = 0;
    int error = mallctl(name, &value, &len, NULL, 0);
    if (!error) *out = value;
    return error;
}

int mem_allocator_set(const char *name, int64_t value)
{
    int error = EINVAL;
    /* It doesn't tell how large a value is, and refuses other sizes. */
    for (size_t len = sizeof(value); len && error == EINVAL; len /= 2)
        error = mallctl(name, NULL, NULL, &value, len); /* little-endian: the low bytes */
    return error;
}

/* Whether a value is a text can't be asked, and a number must not be taken for an address. */
int mem_allocator_get_text(const char *name, const char **out)
{
    static const char *const texts[] = {"version", "config.malloc_conf", "opt.metadata_thp",
                                        "opt.dss", "opt.percpu_arena", "opt.junk", "opt.thp",
                                        "opt.stats_print_opts", "opt.prof_prefix",
                                        "thread.prof.name"};
    size_t len = sizeof(*out), unused = 0;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        if (!strcmp(name, texts[i])) return mallctl(name, (void *)out, &len, NULL, 0);
    return mallctl(name, NULL, &unused, NULL, 0) == ENOENT ? ENOENT : EINVAL;
}

void mem_report(void (*piece)(void *ctx, const char *text), void *ctx)
{
    malloc_stats_print(piece, ctx, NULL);
}
#else
int mem_allocator_get(const char *name, int64_t *out)
{
    UNUSED(name);
    UNUSED(out);
    return ENOENT;
}

int mem_allocator_set(const char *name, int64_t value)
{
    UNUSED(name);
    UNUSED(value);
    return ENOENT;
}

int mem_allocator_get_text(const char *name, const char **out)
{
    UNUSED(name);
    UNUSED(out);
    return ENOENT;
}

void mem_purge(void)
{
    malloc_trim(0);
}

void mem_report(void (*piece)(void *ctx, const char *text), void *ctx)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    if (!file) return;
    malloc_info(0, file);
    if (fclose(file) == 0) piece(ctx, text);
    free(text);
}
#endif

size_t mem_peak(void)
{
    return atomic_load_explicit(&mem_peak_bytes, memory_order_relaxed);
}

size_t mem_rss(void)
{
    char text[256];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (got <= 0) return 0;
    text[got] = '\0';
    unsigned long size_pages = 0, rss_pages = 0;
    if (sscanf(text, "%lu %lu", &size_pages, &rss_pages) != 2) return 0;
    return (size_t)rss_pages * (size_t)sysconf(_SC_PAGESIZE);
}

const char *mem_allocator_name(void)
{
#ifdef HAVE_JEMALLOC
    return "jemalloc-5.3.0";
#else
    return "libc";
#endif
}
