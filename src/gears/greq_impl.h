/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the dictionary of requirements (greq.c) and the installer (ginstall.c) share.
 */
#ifndef GEARS_GREQ_IMPL_H
#define GEARS_GREQ_IMPL_H

#include "gears/greq.h"
#include "gears/gwheel.h"

struct greq {
    struct greq *next; /* guard of all: the dictionary's mutex, but where it says otherwise */
    char *name;
    char *folder;      /* absolute; the installer's, and set before it is listed */
    char **wheels;     /* file names; set before `downloaded` */
    size_t wheel_count;
    unsigned refs;     /* sessions; and the installer while it works on it */
    bool downloaded, installed;
    bool listed;       /* it is in the dictionary; else only sessions know it */
    bool unwanted;     /* it goes as soon as nobody has it */
};

/* Calls fn for each listed one, under the mutex. */
void greq__each(void (*fn)(void *ctx, struct greq *r), void *ctx);

/* The listed requirement of a name, with a reference, or NULL. */
struct greq *greq__find(struct view name);

/* A new one, listed, with a reference. Takes the folder. */
struct greq *greq__add(const char *name, char *take_folder);

/* What fetching gave; takes the list. */
void greq__fetched(struct greq *r, char **take_wheels, size_t count);
void greq__installed(struct greq *r, bool yes);

/* Takes it out of the dictionary: who has it keeps it. */
void greq__drop(struct greq *r);
void greq__unref(struct greq *r);

/* One that is unwanted and that nobody has, taken out of the dictionary, with a reference; or
 * NULL. */
struct greq *greq__take_unwanted(void);

/* Where packages are, from now on. */
void greq__set_path(const char *path);
/* A module's name that scripts must import anew. */
void greq__forget_module(struct view name);

/* Has the installer look for what is unwanted. Any thread. */
void ginstall_wake(void);

#endif
