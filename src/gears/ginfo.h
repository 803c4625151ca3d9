/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sections of INFO that RedisGears has as a module: rg, rg_regisrations [sic], rg_plugins,
 * rg_python_stats, rg_python_requirements, rg_python_sessions. What runs is in the section gears
 * (gconf.c), which is ours.
 */
#ifndef GEARS_GINFO_H
#define GEARS_GINFO_H

/* Registers the rows. Main, at boot. */
void ginfo_register(void);

#endif
