/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a target over the files that it is given, and says how many there were. Each input lies in
 * a block of exactly its size, so that the address sanitizer sees the first byte too many. The
 * file at hand is named on the error stream first, for the report of a crash follows it. One
 * thread.
 */
#include "fuzz.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/config_file.h"

static bool replay(const char *path)
{
    struct buf bytes;
    buf_init(&bytes);
    if (conf_read_file(path, &bytes)) {
        fprintf(stderr, "can't read %s\n", path);
        buf_release(&bytes);
        return false;
    }
    fprintf(stderr, "%s\n", path);
    uint8_t *exact = mem_alloc(bytes.len ? bytes.len : 1);
    if (bytes.len) memcpy(exact, bytes.ptr, bytes.len);
    fuzz_one(exact, bytes.len);
    mem_free(exact);
    buf_release(&bytes);
    return true;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    fuzz_setup();
    for (int i = 1; i < argc; i++) {
        if (replay(argv[i])) {
            passed++;
        } else {
            failed++;
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
