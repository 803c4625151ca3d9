/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Set-up of gears; see gears.h. There is little to do: what a script needs is made when the first
 * one comes. Main thread.
 */
#include "gears/gears.h"

#include "exec/client.h"
#include "gears/gconf.h"
#include "gears/gext.h"
#include "gears/ghook.h"
#include "gears/ginfo.h"
#include "gears/gmodule.h"
#include "gears/gpy.h"
#include "gears/greg.h"
#include "gears/greq.h"
#include "gears/grun.h"
#include "gears/gsync.h"

void gears_options_register(void)
{
    gconf_register();
    gext_register();
    gmodule_register();
    ginfo_register();
    greq_register();
}

enum status gears_setup(void)
{
    gconf_publish();
    greg_setup();
    ghook_setup();
    gstream_setup();
    exec_on_carry(gsync_carry);
    exec_on_busy(gsync_busy_text);
    return gext_load();
}

void gears_cron(void)
{
    grun_expire_waits();
    gstream_cron();
}

size_t gears_memory_used(void)
{
    return gpy_memory_used();
}

void gears_teardown(void)
{
    greg_teardown();
    gconf_teardown();
    gmodule_teardown();
}
