/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Admission: filters are asked in order, only while their bit is set, and the first that objects
 * ends the chain.
 */
#include "exec/admit.h"

#include "../unit.h"
#include "exec/command.h"

static int asked[2];
static enum admit_verdict answers[2];

static enum admit_verdict first(struct exec_ctx *ctx)
{
    UNUSED(ctx);
    asked[0]++;
    return answers[0];
}

static enum admit_verdict second(struct exec_ctx *ctx)
{
    UNUSED(ctx);
    asked[1]++;
    return answers[1];
}

TEST(filters_follow_their_bits)
{
    static const struct command cmd = {.name = "x", .fullname = "x"};
    struct exec_ctx ctx = {.cmd = &cmd};
    admit_setup();
    admit_add(ADMIT_MULTI, first, NULL);
    admit_add(ADMIT_PAUSE, second, NULL);
    answers[0] = answers[1] = ADMIT_PASS;

    CHECK_INT(admit_word, 0);
    CHECK_INT(admit_chain(&ctx), ADMIT_PASS);
    CHECK_INT(asked[0] + asked[1], 0);

    admit_set(ADMIT_PAUSE, true);
    CHECK_INT(admit_chain(&ctx), ADMIT_PASS);
    CHECK_INT(asked[0], 0);
    CHECK_INT(asked[1], 1);

    admit_set(ADMIT_MULTI, true);
    answers[0] = ADMIT_TAKEN;
    CHECK_INT(admit_chain(&ctx), ADMIT_TAKEN);
    CHECK_INT(asked[0], 1);
    CHECK_INT(asked[1], 1);

    admit_set(ADMIT_MULTI | ADMIT_PAUSE, false);
    CHECK_INT(admit_word, 0);
}
