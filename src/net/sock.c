/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listening, accepting, connecting and naming sockets; see sock.h. Names are asked for when
 * somebody wants to see them, not kept: a client that nobody looks at pays nothing for them.
 */
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define HOST_MAX 256

static enum status sock_fail(int fd, const char *what, char *error, size_t error_cap)
{
    int saved = errno;
    snprintf(error, error_cap, "%s: %s", what, strerror(saved));
    if (fd >= 0) close(fd);
    errno = saved;
    return STATUS_IO;
}

static enum status listen_on(const struct addrinfo *ai, int backlog, int *fd_out, char *error,
                             size_t error_cap)
{
    int on = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        if (errno == EAFNOSUPPORT) return STATUS_NOT_FOUND;
        return sock_fail(fd, "socket", error, error_cap);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen)) {
        if (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) {
            sock_fail(fd, "bind", error, error_cap);
            return STATUS_NOT_FOUND;
        }
        return sock_fail(fd, "bind", error, error_cap);
    }
    if (listen(fd, backlog)) return sock_fail(fd, "listen", error, error_cap);
    *fd_out = fd;
    return STATUS_OK;
}

enum status sock_listen_tcp(const char *addr, int port, int backlog, int *fd_out, char *error,
                            size_t error_cap)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
    bool v6 = strchr(addr, ':') != NULL;
    const char *node = addr;
    if (!strcmp(addr, "*")) node = "0.0.0.0";
    if (!strcmp(addr, "::*")) node = "::";
    hints.ai_family = v6 ? AF_INET6 : AF_INET;
    snprintf(service, sizeof(service), "%d", port);
    int rc = getaddrinfo(node, service, &hints, &list);
    if (rc) {
        snprintf(error, error_cap, "%s", gai_strerror(rc));
        errno = EINVAL;
        return STATUS_IO;
    }
    enum status st = listen_on(list, backlog, fd_out, error, error_cap);
    freeaddrinfo(list);
    return st;
}

enum status sock_listen_unix(const char *path, unsigned perm, int backlog, int *fd_out, char *error,
                             size_t error_cap)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(sa.sun_path)) {
        errno = ENAMETOOLONG;
        return sock_fail(-1, "path", error, error_cap);
    }
    memcpy(sa.sun_path, path, strlen(path) + 1);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return sock_fail(fd, "socket", error, error_cap);
    /* Nobody can connect before listen(), so the mode is final by then. */
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
        return sock_fail(fd, "bind", error, error_cap);
    if (perm && chmod(path, perm)) return sock_fail(fd, "chmod", error, error_cap);
    if (listen(fd, backlog)) return sock_fail(fd, "listen", error, error_cap);
    *fd_out = fd;
    return STATUS_OK;
}

enum status sock_accept(int listen_fd, int *fd_out)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        *fd_out = fd;
        return STATUS_OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return STATUS_AGAIN;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        return STATUS_LIMIT;
    return STATUS_CLOSED;
}

enum status sock_wait(int fd, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        int ready = poll(&p, 1, (int)MIN(MAX(left_ms, 0), INT32_MAX));
        if (ready > 0) return STATUS_OK;
        if (ready == 0 && clock_mono_ms() >= deadline_ms) return STATUS_AGAIN;
        if (ready < 0 && errno != EINTR) return STATUS_IO;
    }
}

static enum status connect_to(const struct addrinfo *ai, int64_t deadline_ms, int *fd_out)
{
    int error = 0;
    socklen_t len = sizeof(error);
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return STATUS_IO;
    enum status status = STATUS_OK;
    if (connect(fd, ai->ai_addr, ai->ai_addrlen)) {
        status = errno == EINPROGRESS ? sock_wait(fd, POLLOUT, deadline_ms) : STATUS_IO;
        if (!status && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) || error))
            status = STATUS_IO;
    }
    if (status)
        close(fd);
    else
        *fd_out = fd;
    return status;
}

enum status sock_connect(struct view host, int port, int64_t deadline_ms, int *fd_out)
{
    char name[HOST_MAX], service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    if (host.len == 0 || host.len >= sizeof(name) || memchr(host.ptr, 0, host.len))
        return STATUS_NOT_FOUND;
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    snprintf(service, sizeof(service), "%d", port);
    if (getaddrinfo(name, service, &hints, &list)) return STATUS_NOT_FOUND;
    enum status status = STATUS_IO;
    for (const struct addrinfo *ai = list; ai && status == STATUS_IO; ai = ai->ai_next)
        status = connect_to(ai, deadline_ms, fd_out);
    freeaddrinfo(list);
    return status;
}

void sock_tune(int fd, int keepalive_s)
{
    int on = 1, count = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (keepalive_s <= 0) return;
    int interval = MAX(keepalive_s / 3, 1);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_s, sizeof(keepalive_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void sock_name(const struct sockaddr_storage *sa, const char *path, char *out, size_t cap)
{
    char ip[INET6_ADDRSTRLEN];
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
        snprintf(out, cap, "%s:%d", ip, ntohs(in->sin_port));
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
        snprintf(out, cap, "[%s]:%d", ip, ntohs(in6->sin6_port));
    } else if (sa->ss_family == AF_UNIX) {
        snprintf(out, cap, "%s:0", path && *path ? path : "/unixsocket");
    } else {
        snprintf(out, cap, "?:0");
    }
}

void sock_peer_name(int fd, char *out, size_t cap)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    if (getpeername(fd, (struct sockaddr *)&sa, &len)) {
        snprintf(out, cap, "?:0");
        return;
    }
    if (sa.ss_family == AF_UNIX) {
        sock_local_name(fd, out, cap);
        return;
    }
    sock_name(&sa, NULL, out, cap);
}

void sock_local_name(int fd, char *out, size_t cap)
{
    union {
        struct sockaddr_storage storage;
        struct sockaddr_un un;
    } sa = {0};
    socklen_t len = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &len)) {
        snprintf(out, cap, "?:0");
        return;
    }
    sock_name(&sa.storage, sa.un.sun_path, out, cap);
}

bool sock_peer_is_local(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    if (getpeername(fd, (struct sockaddr *)&sa, &len)) return false;
    if (sa.ss_family == AF_UNIX) return true;
    if (sa.ss_family == AF_INET)
        return (ntohl(((struct sockaddr_in *)&sa)->sin_addr.s_addr) >> 24) == 127;
    if (sa.ss_family != AF_INET6) return false;
    const struct in6_addr *a6 = &((struct sockaddr_in6 *)&sa)->sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(a6)) return true;
    return IN6_IS_ADDR_V4MAPPED(a6) && a6->s6_addr[12] == 127;
}

bool sock_is_unix(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof(sa);
    return !getsockname(fd, (struct sockaddr *)&sa, &len) && sa.ss_family == AF_UNIX;
}
