/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of this folder share: notifications are set up with the rest of the service, since
 * they are one more publisher.
 */
#ifndef PUBSUB_PRIVATE_H
#define PUBSUB_PRIVATE_H

/* Subscribes to keyspace events, as the option says. Main, at boot. */
void pubsub__notify_setup(void);

#endif
