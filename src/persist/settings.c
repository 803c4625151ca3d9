/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Option rows of persistence.
 */
#include "persist/settings.h"

#include "conf/option.h"

struct persist_settings persist_settings;

static const struct opt_row rows[] = {
    {.name = "rdbcompression", .kind = OPT_BOOL, .var.b = &persist_settings.compress,
     .dflt = "yes", .section = OPT_SECTION_PERSISTENCE,
     .doc = "Compress texts of more than 20 bytes with LZF in DUMP payloads."},
};

void persist_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}
