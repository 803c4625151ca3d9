/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process among others: going to the background, the pid file, the logo.
 *
 * Main thread, at start.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "server/private.h"

void server_daemonize(void)
{
    pid_t pid = fork();
    if (pid < 0) {
        log_warning("Can't go to the background: fork: %s", strerror(errno));
        exit(1);
    }
    if (pid > 0) _exit(0);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) dup2(null, fd);
    if (null > STDERR_FILENO) close(null);
}

/* Empty: none is wanted. */
const char *server_pidfile_path(void)
{
    if (server_settings.pidfile.len) return server_settings.pidfile.ptr;
    return server_settings.daemonize ? "/var/run/redis.pid" : "";
}

void server_write_pidfile(void)
{
    const char *path = server_pidfile_path();
    if (!*path) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (fd < 0 || file_write(fd, view_of(text, (size_t)len))) {
        log_warning("Failed to write PID file: %s", strerror(errno));
        if (fd >= 0) unlink(path); /* half a number would be another process's */
    } else {
        server_state.pidfile_written = true;
    }
    if (fd >= 0) close(fd);
}

void server_print_logo(void)
{
    struct buf text = {0};
    buf_printf(&text,
               "\n"
               "        _   _\n"
               "      _| |_| |_        Cogwheel %s, answers as Redis %s, 64 bit\n"
               "     |_  .-.  _|\n"
               "      _|(   )|_        Running in standalone mode\n"
               "     |_  '-'  _|       Port: %d\n"
               "       |_ _ _|         PID: %d\n"
               "         | |\n\n",
               COGWHEEL_VERSION, STOCK_VERSION, server_settings.port, (int)getpid());
    log_raw(buf_view(&text));
    buf_release(&text);
}
