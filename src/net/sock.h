/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets: listening, accepting, connecting, addresses. Every descriptor is close-on-exec and
 * non-blocking. Listening and accepting are main's; the rest is for any thread.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <sys/socket.h>

#include "base/status.h"
#include "base/view.h"

/* Listens on addr:port (v4 or v6 by the address' form; "*" and "::*" are all interfaces).
 * STATUS_OK: *fd_out. STATUS_NOT_FOUND: the address family isn't available here. STATUS_IO:
 * errno says why; `error` (of error_cap bytes) gets a text for people. */
enum status sock_listen_tcp(const char *addr, int port, int backlog, int *fd_out, char *error,
                            size_t error_cap) MUST_CHECK;

/* Listens on a unix socket at path, replacing a stale one. The mode is set before anybody can
 * connect: the socket is bound under a umask that forbids all, then changed, then listened on.
 * perm 0 leaves what the process' umask gives. */
enum status sock_listen_unix(const char *path, unsigned perm, int backlog, int *fd_out,
                             char *error, size_t error_cap) MUST_CHECK;

/* Accepts one connection. STATUS_AGAIN: none waits. STATUS_LIMIT: no descriptor left.
 * STATUS_CLOSED: that one went away, try the next. */
enum status sock_accept(int listen_fd, int *fd_out) MUST_CHECK;

/* Connects to host (an address or a name) and port, 0 … 65535, one address after the other.
 * STATUS_NOT_FOUND: no such host, and asking the system for a name takes the time that it takes;
 * STATUS_AGAIN: the deadline (monotonic) came first; STATUS_IO: nobody accepts there. */
enum status sock_connect(struct view host, int port, int64_t deadline_ms, int *fd_out) MUST_CHECK;

/* Waits until one of poll's events can be had, or the peer is gone. STATUS_AGAIN: the deadline
 * came first. Any thread. */
enum status sock_wait(int fd, short events, int64_t deadline_ms) MUST_CHECK;

/* TCP_NODELAY and keep-alive (interval in seconds, 0 off). Unix sockets ignore it. */
void sock_tune(int fd, int keepalive_s);

/* "ip:port", "[v6]:port" or "path:0" of the peer (or of our end); "?:0" if it is gone. */
void sock_peer_name(int fd, char *out, size_t cap);
void sock_local_name(int fd, char *out, size_t cap);

/* The peer is on this machine: a unix socket or a loopback address. */
bool sock_peer_is_local(int fd);

/* It is a unix socket. */
bool sock_is_unix(int fd);

#endif
