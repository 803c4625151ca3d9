/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slabs: pages of 4 KB, each cut into blocks of one class.
 *
 *   thread's stacks  <-- 16 blocks at a time -->  slabs, by class  <-- pages -->  regions <--> mmap
 *
 *   region, 1 MB, aligned to its size:
 *     byte       0 ..   255    struct region: which pages are free
 *              256 .. 16383    struct slab of pages 4 … 255, 64 bytes each, page i's at 64 * i
 *            16384 ..          pages 4 … 255
 *
 * So a block's slab is found from its address alone, and what is known of a page stands outside of
 * it: to free a block doesn't touch it, and while a child process lives, frees dirty few pages.
 *
 * Of a class's slabs the fullest are used first (four bins, by quarters). An empty slab's page goes
 * back to its region. Up to DIRTY_MAX such pages keep their memory, to be used again without a
 * fault; beyond that it is given back. A region without a slab is unmapped, but for one.
 *
 * Each thread has a stack of blocks per class, filled and emptied by halves, so one call in
 * sixteen takes the lock. Bytes are counted per thread; blocks on stacks count as free.
 *
 * Invariants, `class` being a block's size / 8:
 *   1. A block whose bit is set is in nobody's hands. Set bits + used = the slab's blocks.
 *   2. A slab is in the bin that its `used` says, and in none when it is full.
 *   3. dirty is a subset of free; heap.dirty is the sum of all regions' dirty pages.
 *   4. A region is in heap.dirty_regions if it has a dirty page, else in heap.clean_regions if it
 *      has a free one, else in no list.
 */
#include "base/slab.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/list.h"

#define REGION_BYTES ((size_t)1 << 20)
#define PAGE_SHIFT 12
#define PAGE_BYTES ((size_t)1 << PAGE_SHIFT)
#define PAGES (REGION_BYTES / PAGE_BYTES)
#define PAGES_OF_RECORDS 4
#define DIRTY_MAX 256
#define CLASSES (SLAB_MAX / SLAB_STEP + 1) /* the first two aren't used */
#define BINS 4
#define WORDS 4 /* 256 bits: as many pages has a region, at most as many blocks a slab */
#define STACK_MAX 32
#define BATCH (STACK_MAX / 2)

struct slab {
    struct list_node node; /* in a bin */
    uint64_t free[WORDS];  /* blocks */
    uint16_t used;         /* blocks that are not free: given out, or on a stack */
    uint8_t class;         /* 0: the page is free */
    uint8_t bin;
} __attribute__((aligned(64)));

struct region {
    struct list_node node; /* invariant 4 */
    uint64_t free[WORDS];  /* pages */
    uint64_t dirty[WORDS]; /* free pages with memory behind them */
    unsigned free_count;
    enum { UNLISTED, DIRTY, CLEAN } list;
};

_Static_assert(sizeof(struct slab) == 64, "a slab's record is a cache line");
_Static_assert(sizeof(struct region) <= PAGES_OF_RECORDS * sizeof(struct slab), "room");

struct class {
    struct list_node bin[BINS];
    uint32_t blocks;     /* of a slab */
    uint32_t per_step;   /* offset / SLAB_STEP * this >> 16 is the block's number */
    uint32_t per_block;  /* used * this >> 16 is the bin */
};

/* What a thread has at hand. Its own, but for `bytes`, which others read. */
struct cache {
    struct list_node node;
    _Atomic int64_t bytes; /* allocated - freed by this thread */
    struct stack {
        unsigned count;
        void *block[STACK_MAX];
    } stack[CLASSES];
};

static _Thread_local struct cache *thread_cache;

/* Everything under the lock. Its sections are short: no system call but a region's mmap. */
static struct {
    pthread_mutex_t lock;
    struct class class[CLASSES];
    struct list_node dirty_regions, clean_regions, caches;
    struct region *spare; /* the one region without a slab that is kept, or NULL */
    char *newest;         /* the region mapped last, gone perhaps, or NULL */
    size_t regions, slabs, dirty;
    size_t taken; /* bytes of all blocks in use or on stacks */
    int64_t ended_bytes; /* what ended threads had counted */
} heap = {.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};

static pthread_once_t heap_once = PTHREAD_ONCE_INIT;
static pthread_key_t heap_key;

static void heap_lock(void)
{
    pthread_mutex_lock(&heap.lock);
}

static void heap_unlock(void)
{
    pthread_mutex_unlock(&heap.lock);
}

/* ---- bits ---- */

static int bits_first(const uint64_t *bits)
{
    for (int i = 0; i < WORDS; i++) {
        if (bits[i]) return i * 64 + __builtin_ctzll(bits[i]);
    }
    return -1;
}

static bool bits_get(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void bits_flip(uint64_t *bits, size_t i)
{
    bits[i / 64] ^= (uint64_t)1 << (i % 64);
}

/* Bits 0 … count-1. */
static void bits_fill(uint64_t *bits, size_t count)
{
    for (size_t i = 0; i < WORDS; i++) {
        size_t here = count < 64 * i ? 0 : MIN(count - 64 * i, 64);
        bits[i] = here == 64 ? UINT64_MAX : ((uint64_t)1 << here) - 1;
    }
}

static size_t bits_count(const uint64_t *bits)
{
    size_t sum = 0;
    for (int i = 0; i < WORDS; i++) sum += (size_t)__builtin_popcountll(bits[i]);
    return sum;
}

/* ---- addresses ---- */

static struct region *region_of(const void *ptr)
{
    return (struct region *)((uintptr_t)ptr & ~(REGION_BYTES - 1));
}

static struct slab *slab_at(struct region *r, size_t page)
{
    return (struct slab *)(void *)r + page;
}

static struct slab *slab_of(const void *ptr)
{
    return slab_at(region_of(ptr), ((uintptr_t)ptr & (REGION_BYTES - 1)) >> PAGE_SHIFT);
}

static size_t page_number(struct slab *slab)
{
    return (size_t)(slab - slab_at(region_of(slab), 0));
}

static char *page_at(struct region *r, size_t page)
{
    return (char *)r + page * PAGE_BYTES;
}

/* ---- regions and pages ---- */

/* Puts a region into the list that fits its pages. */
static void region_file(struct region *r)
{
    unsigned list = bits_first(r->dirty) >= 0 ? DIRTY : r->free_count ? CLEAN : UNLISTED;
    if (list == r->list) return;
    r->list = list;
    list_unlink(&r->node);
    if (list == DIRTY) list_push(&heap.dirty_regions, &r->node);
    if (list == CLEAN) list_push(&heap.clean_regions, &r->node);
}

/* Memory aligned to its size, below the region before if there is room. Neighbours are one mapping
 * to the kernel, of which a process may have 65,530, and each of which makes fork() longer. */
static void *region_map(void)
{
    int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *wish = heap.newest ? heap.newest - REGION_BYTES : NULL;
    char *at = mmap(wish, REGION_BYTES, protection, flags, -1, 0);
    if (at == MAP_FAILED) mem_out(REGION_BYTES);
    if ((uintptr_t)at % REGION_BYTES) {
        munmap(at, REGION_BYTES);
        at = mmap(NULL, 2 * REGION_BYTES, protection, flags, -1, 0);
        if (at == MAP_FAILED) mem_out(2 * REGION_BYTES);
        size_t before = -(uintptr_t)at % REGION_BYTES;
        if (before) munmap(at, before);
        at += before;
        munmap(at + REGION_BYTES, REGION_BYTES - before);
    }
    return heap.newest = at;
}

static struct region *region_new(void)
{
    struct region *r = region_map();
    list_init(&r->node);
    bits_fill(r->free, PAGES);
    r->free[0] &= ~(((uint64_t)1 << PAGES_OF_RECORDS) - 1);
    r->free_count = PAGES - PAGES_OF_RECORDS;
    region_file(r);
    heap.regions++;
    return r;
}

/* Of no use any more. That a process has too many mappings to split one costs addresses alone. */
static void region_unmap(struct region *r)
{
    if (munmap(r, REGION_BYTES)) madvise(r, REGION_BYTES, MADV_DONTNEED);
}

/* A free page, one with memory behind it first, as a slab of that class. */
static struct slab *page_take(unsigned class)
{
    struct list_node *list = &heap.dirty_regions;
    if (!list_is_linked(list)) list = &heap.clean_regions;
    struct region *r =
        list_is_linked(list) ? CONTAINER_OF(list->next, struct region, node) : region_new();
    int page = bits_first(r->dirty);
    if (page >= 0) {
        bits_flip(r->dirty, (size_t)page);
        heap.dirty--;
    } else {
        page = bits_first(r->free);
    }
    bits_flip(r->free, (size_t)page);
    r->free_count--;
    if (r == heap.spare) heap.spare = NULL;
    region_file(r);
    heap.slabs++;
    struct slab *slab = slab_at(r, (size_t)page);
    list_init(&slab->node);
    bits_fill(slab->free, heap.class[class].blocks);
    slab->used = 0;
    slab->class = (uint8_t)class;
    return slab;
}

/* Adds to a region's free pages; their bits are the caller's. True when it has no slab and isn't
 * kept: the caller unmaps it, once it has let go of the lock. */
static bool region_gain(struct region *r, unsigned pages)
{
    r->free_count += pages;
    region_file(r);
    if (r->free_count < PAGES - PAGES_OF_RECORDS) return false;
    if (!heap.spare) {
        heap.spare = r;
        return false;
    }
    list_unlink(&r->node);
    heap.dirty -= bits_count(r->dirty);
    heap.regions--;
    return true;
}

/* Takes back the page of a slab without blocks; as region_gain. */
static bool page_give(struct slab *slab)
{
    struct region *r = region_of(slab);
    size_t page = page_number(slab);
    slab->class = 0;
    bits_flip(r->free, page);
    bits_flip(r->dirty, page);
    heap.dirty++;
    heap.slabs--;
    return region_gain(r, 1);
}

/* Gives the memory of these pages back, neighbours together. */
static void pages_release(struct region *r, const uint64_t *pages)
{
    for (size_t i = PAGES_OF_RECORDS; i < PAGES; i++) {
        size_t from = i;
        while (i < PAGES && bits_get(pages, i)) i++;
        if (i > from) madvise(page_at(r, from), (i - from) * PAGE_BYTES, MADV_DONTNEED);
    }
}

/* While more than `most` free pages have memory, one region's are released. They aren't free
 * meanwhile, so that the lock needn't be held, and the region can't go. */
static void heap_trim(size_t most)
{
    heap_lock();
    while (heap.dirty > most) {
        struct region *r = CONTAINER_OF(heap.dirty_regions.next, struct region, node);
        uint64_t pages[WORDS];
        memcpy(pages, r->dirty, sizeof(pages));
        memset(r->dirty, 0, sizeof(r->dirty));
        for (int i = 0; i < WORDS; i++) r->free[i] &= ~pages[i];
        unsigned count = bits_count(pages);
        r->free_count -= count;
        heap.dirty -= count;
        if (r == heap.spare) heap.spare = NULL;
        region_file(r);
        heap_unlock();
        pages_release(r, pages);
        heap_lock();
        for (int i = 0; i < WORDS; i++) r->free[i] |= pages[i];
        bool gone = region_gain(r, count);
        if (!gone) continue;
        heap_unlock();
        region_unmap(r);
        heap_lock();
    }
    heap_unlock();
}

/* ---- slabs ---- */

/* Puts a slab into the bin that its count says. */
static void slab_file(struct class *class, struct slab *slab)
{
    unsigned bin = slab->used == class->blocks ? BINS : slab->used * class->per_block >> 16;
    if (bin == slab->bin) return;
    slab->bin = (uint8_t)bin;
    list_unlink(&slab->node);
    if (bin < BINS) list_push(&class->bin[bin], &slab->node);
}

/* The fullest slab that has a free block, or NULL. */
static struct slab *slab_fullest(struct class *class)
{
    for (int i = BINS - 1; i >= 0; i--) {
        if (list_is_linked(&class->bin[i]))
            return CONTAINER_OF(class->bin[i].next, struct slab, node);
    }
    return NULL;
}

/* Takes up to `want` blocks out of one slab, lowest first; returns how many. */
static unsigned slab_blocks(struct slab *slab, unsigned want, void **blocks)
{
    size_t size = (size_t)slab->class * SLAB_STEP;
    char *page = page_at(region_of(slab), page_number(slab));
    unsigned got = 0;
    for (int i; got < want && (i = bits_first(slab->free)) >= 0; got++) {
        bits_flip(slab->free, (size_t)i);
        blocks[got] = page + (size_t)i * size;
    }
    slab->used = (uint16_t)(slab->used + got);
    return got;
}

/* Takes 1 … BATCH blocks of a class. */
static unsigned heap_take(unsigned number, void **blocks)
{
    struct class *class = &heap.class[number];
    unsigned got = 0;
    heap_lock();
    while (got < BATCH) {
        struct slab *slab = slab_fullest(class);
        if (!slab) {
            if (got) break;
            slab = page_take(number);
            slab->bin = BINS;
        }
        got += slab_blocks(slab, BATCH - got, blocks + got);
        slab_file(class, slab);
    }
    heap.taken += (size_t)got * number * SLAB_STEP;
    heap_unlock();
    return got;
}

/* Takes back one block; as region_gain. */
static bool block_give(unsigned number, void *block)
{
    struct class *class = &heap.class[number];
    struct slab *slab = slab_of(block);
    ASSERT(slab->class == number);
    size_t offset = (uintptr_t)block & (PAGE_BYTES - 1);
    size_t i = offset / SLAB_STEP * class->per_step >> 16;
    ASSERT(i * number * SLAB_STEP == offset && i < class->blocks && !bits_get(slab->free, i));
    bits_flip(slab->free, i);
    slab->used--;
    if (slab->used) {
        slab_file(class, slab);
        return false;
    }
    list_unlink(&slab->node);
    return page_give(slab);
}

/* Takes back blocks of a class. */
static void heap_give(unsigned number, void **blocks, unsigned count)
{
    struct region *gone[STACK_MAX];
    unsigned gone_count = 0;
    for (unsigned i = 0; i < count; i++) PREFETCH(slab_of(blocks[i]));
    heap_lock();
    for (unsigned i = 0; i < count; i++) {
        if (block_give(number, blocks[i])) gone[gone_count++] = region_of(blocks[i]);
    }
    heap.taken -= (size_t)count * number * SLAB_STEP;
    bool trim = heap.dirty > DIRTY_MAX;
    heap_unlock();
    while (gone_count) region_unmap(gone[--gone_count]);
    if (unlikely(trim)) heap_trim(DIRTY_MAX);
}

/* ---- threads ---- */

static void cache_clear(struct cache *c)
{
    for (unsigned i = 0; i < CLASSES; i++) {
        struct stack *s = &c->stack[i];
        if (s->count) heap_give(i, s->block, s->count);
        s->count = 0;
    }
}

static void cache_end(void *ptr)
{
    struct cache *c = ptr;
    cache_clear(c);
    heap_lock();
    list_unlink(&c->node);
    heap.ended_bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
    heap_unlock();
    mem_free(c);
    thread_cache = NULL;
}

/* A child must not find the lock held by a thread that it doesn't have. */
static void heap_init(void)
{
    for (unsigned i = 2; i < CLASSES; i++) {
        struct class *class = &heap.class[i];
        for (int bin = 0; bin < BINS; bin++) list_init(&class->bin[bin]);
        class->blocks = (uint32_t)(PAGE_BYTES / (i * SLAB_STEP));
        class->per_step = 65536 / i + 1;
        class->per_block = BINS * 65536 / class->blocks;
    }
    list_init(&heap.dirty_regions);
    list_init(&heap.clean_regions);
    list_init(&heap.caches);
    int failed = pthread_key_create(&heap_key, cache_end);
    ASSERT(!failed);
    failed = pthread_atfork(heap_lock, heap_unlock, heap_unlock);
    ASSERT(!failed);
}

static COLD struct cache *cache_begin(void)
{
    pthread_once(&heap_once, heap_init);
    struct cache *c = mem_zalloc(sizeof(*c));
    heap_lock();
    list_push(&heap.caches, &c->node);
    heap_unlock();
    pthread_setspecific(heap_key, c);
    return thread_cache = c;
}

static NOINLINE struct cache *stack_fill(struct cache *c, unsigned class)
{
    if (!c) c = cache_begin();
    struct stack *s = &c->stack[class];
    void *blocks[BATCH];
    unsigned count = heap_take(class, blocks);
    while (count) s->block[s->count++] = blocks[--count]; /* the lowest is taken first */
    return c;
}

/* Makes room on a full stack; what has lain there longest goes. */
static NOINLINE struct cache *stack_halve(struct cache *c, unsigned class)
{
    if (!c) return cache_begin();
    struct stack *s = &c->stack[class];
    heap_give(class, s->block, BATCH);
    s->count -= BATCH;
    memmove(s->block, s->block + BATCH, s->count * sizeof(s->block[0]));
    return c;
}

static void count_bytes(struct cache *c, int64_t bytes)
{
    int64_t sum = atomic_load_explicit(&c->bytes, memory_order_relaxed) + bytes;
    atomic_store_explicit(&c->bytes, sum, memory_order_relaxed);
}

void *slab__take(size_t size)
{
    unsigned class = (unsigned)((size + SLAB_STEP - 1) / SLAB_STEP);
    struct cache *c = thread_cache;
    if (unlikely(!c || !c->stack[class].count)) c = stack_fill(c, class);
    count_bytes(c, (int64_t)class * SLAB_STEP);
    struct stack *s = &c->stack[class];
    return s->block[--s->count];
}

void slab__give(void *ptr, size_t size)
{
    unsigned class = (unsigned)((size + SLAB_STEP - 1) / SLAB_STEP);
    struct cache *c = thread_cache;
    if (unlikely(!c || c->stack[class].count == STACK_MAX)) c = stack_halve(c, class);
    count_bytes(c, -(int64_t)class * SLAB_STEP);
    struct stack *s = &c->stack[class];
    s->block[s->count++] = ptr;
}

/* ---- figures ---- */

void slab_stats(struct mem_stats *out)
{
    pthread_once(&heap_once, heap_init);
    heap_lock();
    int64_t bytes = heap.ended_bytes;
    LIST_EACH(&heap.caches, node) {
        struct cache *c = CONTAINER_OF(node, struct cache, node);
        bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
    }
    /* A block may be counted as freed by one thread before another is seen to have got it. */
    out->used = bytes > 0 ? (size_t)bytes : 0;
    out->allocated = heap.taken;
    out->active = heap.slabs * PAGE_BYTES;
    out->resident =
        out->active + (heap.dirty + heap.regions * PAGES_OF_RECORDS) * PAGE_BYTES;
    heap_unlock();
}

void slab_purge(void)
{
    pthread_once(&heap_once, heap_init);
    if (thread_cache) cache_clear(thread_cache);
    heap_trim(0);
}

int64_t slab_thread_bytes(void)
{
    struct cache *c = thread_cache;
    return c ? atomic_load_explicit(&c->bytes, memory_order_relaxed) : 0;
}
