/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two functions by which libFuzzer (LLVM's documentation, "libFuzzer") knows a target. One
 * thread.
 */
#include "fuzz.h"

__attribute__((visibility("default"))) int LLVMFuzzerInitialize(int *argc, char ***argv);
__attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    fuzz_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_one(data, len);
    return 0;
}
