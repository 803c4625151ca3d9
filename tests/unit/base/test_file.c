/* SPDX-License-Identifier: BSD-3-Clause */
/* Replacing files, and what stays when that fails. */
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "unit.h"

static char folder[] = "/tmp/cogwheel-file-XXXXXX";
static char path[64];

static bool content_is(const char *want)
{
    char got[256] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, got, sizeof(got) - 1);
    close(fd);
    return n == (ssize_t)strlen(want) && !memcmp(got, want, (size_t)n);
}

TEST(a_file_is_made_and_replaced)
{
    struct stat st;
    CHECK(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    CHECK_INT(file_replace(path, VIEW_LIT("one"), 0640), STATUS_OK);
    CHECK(content_is("one"));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK_INT(chmod(path, 0600), 0);
    CHECK_INT(file_replace(path, VIEW_LIT(""), 0640), STATUS_OK);
    CHECK(content_is(""));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(rmdir(folder), 0); /* nothing else was left */
    CHECK_INT(file_replace(path, VIEW_LIT("two"), 0640), STATUS_IO);
}

TEST(a_folder_in_its_place_stays)
{
    char here[] = "/tmp/cogwheel-file-XXXXXX";
    CHECK(mkdtemp(here));
    snprintf(path, sizeof(path), "%s/dir", here);
    CHECK_INT(mkdir(path, 0700), 0);
    CHECK_INT(file_replace(path, VIEW_LIT("x"), 0600), STATUS_IO);
    CHECK_INT(rmdir(path), 0);
    CHECK_INT(rmdir(here), 0);
    CHECK_INT(file_write(-1, VIEW_LIT("x")), STATUS_IO);
}
