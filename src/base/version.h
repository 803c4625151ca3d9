/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which version this is, and which of stock's it answers as. Clients compare the second and
 * switch features on it, so it is stock's number, not ours.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define COGWHEEL_VERSION "0.1.0"
#define STOCK_VERSION "7.0.15"

#endif
