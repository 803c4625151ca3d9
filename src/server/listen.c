/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listening sockets, from bind, port, unixsocket to descriptors of the client driver. All or
 * none: a server that listens on half of what it was told to would be found out by the clients.
 *
 * Main thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "exec/client.h"
#include "net/sock.h"
#include "server/private.h"

/* Connections inherit it. */
static void mark(int fd)
{
    uint32_t id = (uint32_t)server_settings.socket_mark;
    if (id && setsockopt(fd, SOL_SOCKET, SO_MARK, &id, sizeof(id)) < 0)
        log_warning("Can't mark the listening socket: %s", strerror(errno));
}

/* STATUS_AGAIN: the address may be missing, and is. */
static enum status listen_tcp(const char *addr, int port, bool with_tls, bool *listening)
{
    char error[256] = "";
    bool optional = addr[0] == '-';
    addr += optional;
    int fd;
    enum status s = sock_listen_tcp(addr, port, server_settings.tcp_backlog, &fd,
                                    error, sizeof(error));
    if (s == STATUS_OK) {
        *listening = true;
        mark(fd);
        return driver_listen(fd, with_tls);
    }
    if (s == STATUS_NOT_FOUND && optional) return STATUS_OK;
    log_warning("Warning: Could not create server TCP listening socket %s:%d: %s", addr,
                port, *error ? error : "address family not supported");
    return STATUS_ERR;
}

static enum status listen_all_tcp(int port, bool with_tls)
{
    bool listening = false;
    for (size_t i = 0; i < server_settings.bind_count; i++) {
        if (listen_tcp(server_settings.bind[i], port, with_tls, &listening)) {
            log_warning("Failed listening on port %d (%s), aborting.", port,
                        with_tls ? "TLS" : "TCP");
            return STATUS_ERR;
        }
    }
    return STATUS_OK;
}

static enum status listen_unix(void)
{
    char error[256] = "";
    int fd;
    const char *path = server_settings.unixsocket.ptr;
    size_t max = sizeof(((struct sockaddr_un *)0)->sun_path);
    if (server_settings.unixsocket.len >= max) {
        log_warning("Failed opening Unix socket: unix socket path too long (%zu), must be under "
                    "%zu",
                    server_settings.unixsocket.len, max);
        return STATUS_ERR;
    }
    if (sock_listen_unix(path, (unsigned)server_settings.unixsocketperm,
                         server_settings.tcp_backlog, &fd, error, sizeof(error))) {
        log_warning("Failed opening Unix socket: %s", error);
        return STATUS_ERR;
    }
    return driver_listen(fd, false);
}

bool server_listens_somewhere(void)
{
    bool tcp = (server_settings.port || server_tls_port()) && server_settings.bind_count;
    return tcp || server_settings.unixsocket.len;
}

enum status server_listen_all(void)
{
    enum status s = STATUS_OK;
    if (server_settings.port) s = listen_all_tcp(server_settings.port, false);
    if (s == STATUS_OK && server_tls_port()) s = listen_all_tcp(server_tls_port(), true);
    if (s == STATUS_OK && server_settings.unixsocket.len) s = listen_unix();
    if (s) driver_close_listeners();
    return s;
}

void server_unlink_unixsocket(void)
{
    if (server_settings.unixsocket.len) unlink(server_settings.unixsocket.ptr);
}
