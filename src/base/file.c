/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See file.h. A file is replaced by another that was written and stored beside it: a rename doesn't
 * cross file systems, and is atomic within one.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum status file_write(int fd, struct view bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return STATUS_IO;
        bytes = view_of(bytes.ptr + n, bytes.len - (size_t)n);
    }
    return STATUS_OK;
}

enum status file_sync_folder(const char *path)
{
    char *copy = mem_dup(path, strlen(path));
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(copy);
    if (fd < 0) return STATUS_IO;
    enum status status = fsync(fd) && errno != EINVAL ? STATUS_IO : STATUS_OK;
    int reason = errno;
    close(fd);
    errno = reason;
    return status;
}

static enum status write_beside(const char *path, const char *temp, struct view bytes, mode_t mode)
{
    struct stat old;
    if (stat(path, &old) == 0) mode = old.st_mode & 07777;
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return STATUS_IO;
    enum status s = file_write(fd, bytes);
    if (s == STATUS_OK && (fchmod(fd, mode) || fsync(fd))) s = STATUS_IO;
    int reason = errno;
    if (close(fd) && s == STATUS_OK) return STATUS_IO;
    errno = reason;
    return s;
}

enum status file_replace(const char *path, struct view bytes, mode_t mode)
{
    struct buf name = {0};
    buf_printf(&name, "%s.%d.tmp", path, (int)getpid());
    const char *temp = buf_cstr(&name);
    unlink(temp); /* of a process with our number that was killed */
    enum status s = write_beside(path, temp, bytes, mode);
    if (s == STATUS_OK && rename(temp, path)) s = STATUS_IO;
    int reason = errno;
    if (s) unlink(temp);
    buf_release(&name);
    errno = reason;
    return s ? s : file_sync_folder(path);
}
