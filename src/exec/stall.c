/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that are not served for a while; see stall.h. The flag is looked at where a client's
 * input is read, where it is put among those that are ready, and within its wave, whose other
 * requests are put back as a blocking command's are. The loop goes on watching the socket: what
 * arrives is told once, and read when the client goes on. An I/O thread doesn't get the input back
 * until then.
 */
#include "exec/stall.h"

#include "base/clock.h"
#include "exec/client_impl.h"
#include "exec/io.h"

static struct {
    size_t now;
    uint64_t total;
    int64_t ended_us;      /* how long those lasted that have ended */
    int64_t since_sum_us;  /* sum of the beginnings of the others */
    struct client_stall_stats told; /* guard: the data token */
} stalls;

void client_stall(struct client *c)
{
    if (c->stalls++) return;
    c->flags |= CLIENT_STALLED;
    c->stalled_since_us = clock_mono_us();
    stalls.since_sum_us += c->stalled_since_us;
    stalls.now++;
    stalls.total++;
}

void client__stall_end(struct client *c)
{
    if (!c->stalls) return;
    c->stalls = 0;
    c->flags &= ~(uint32_t)CLIENT_STALLED;
    stalls.ended_us += clock_mono_us() - c->stalled_since_us;
    stalls.since_sum_us -= c->stalled_since_us;
    stalls.now--;
}

void client_go_on(uint64_t id)
{
    struct client *c = client__by_id(id);
    if (!c || !c->stalls) return;
    if (c->stalls > 1) {
        c->stalls--;
        return;
    }
    client__stall_end(c);
    if (c->flags & CLIENT_CLOSE_ASAP) return;
    c->active_ms = exec_now_ms();
    if (io_reads(c)) {
        io_input_back(c);
        return;
    }
    if (!(c->source.interest & LOOP_READ))
        loop_change(&c->source, c->source.interest | LOOP_READ);
    client__want_reread(c);
    if (c->in.len > c->in.pos) client__want_run(c);
}

/* Readiness is told once for each arrival, but again and again while the socket is watched for
 * writing, too. */
void client__stall_unread(struct client *c, bool hung_up)
{
    if (hung_up) c->flags |= CLIENT_HUNG_UP;
    if (c->source.interest & LOOP_WRITE) loop_change(&c->source, LOOP_WRITE);
}

struct client_stall_stats client_stall_stats(void)
{
    if (exec_is_main()) {
        stalls.told = (struct client_stall_stats){
            .now = stalls.now,
            .total = stalls.total,
            .total_us = stalls.ended_us + (int64_t)stalls.now * clock_mono_us() -
                        stalls.since_sum_us};
    }
    return stalls.told;
}
