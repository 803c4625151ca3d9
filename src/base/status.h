/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The result of every function that can fail for a reason its caller must handle. Zero is
 * success, so `if (x_do())` reads "if it failed". Programmer errors never travel this way:
 * they end in ASSERT.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_ERR,       /* failed; the reason is already reported (replied, logged) */
    STATUS_NOMEM,     /* a size chosen from outside could not be allocated */
    STATUS_RANGE,     /* a number is outside its range, or would overflow */
    STATUS_SYNTAX,    /* bytes don't follow their format */
    STATUS_NOT_FOUND, /* what was named is not there */
    STATUS_EXISTS,    /* what was to be made is there already */
    STATUS_AGAIN,     /* not now: would block, incomplete input, busy */
    STATUS_CLOSED,    /* the peer or the object has ended */
    STATUS_IO,        /* an operating system call failed; errno says why */
    STATUS_LIMIT,     /* a configured limit was reached */
    STATUS_TYPE,      /* the value is of another type */
    STATUS_ABORTED,   /* somebody asked for the end */
    STATUS_BLOCKED    /* the reply comes later */
};

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
