/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every target begins with: a fixed hash seed, so that a file always takes the same way, and
 * small limits, so that short inputs get out of the compact encodings. One thread.
 */
#include "fuzz.h"

#include "base/hash.h"
#include "base/random.h"
#include "types/value.h"

void fuzz_setup(void)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "a fixed seed";
    hash_seed_set(seed);
    random_seed_set(1);
    type_limits = (struct type_limits){
        .hash_max_listpack_entries = 8,
        .hash_max_listpack_value = 16,
        .set_max_intset_entries = 8,
        .zset_max_listpack_entries = 8,
        .zset_max_listpack_value = 16,
        .list_max_listpack_size = 4,
        .list_compress_depth = 1,
        .stream_node_max_bytes = 200,
        .stream_node_max_entries = 4,
    };
}
