/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS over a non-blocking socket, by OpenSSL. A connection is read and written as a socket is: the
 * handshake happens within the first reads, and EAGAIN means that the socket must be ready again
 * first, for writing if tls_wants_write says so.
 *
 * A context holds what the connections of one configuration share: certificates, protocols, the
 * session cache. Connections keep their context alive, so a new one may replace it at any time.
 * Thread: the connection's; a context may be freed by any.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <sys/types.h>

#include "base/status.h"
#include "base/view.h"

enum tls_peer {
    TLS_PEER_NO,       /* a client needs no certificate */
    TLS_PEER_YES,      /* it must show one that the authorities have signed */
    TLS_PEER_OPTIONAL  /* it may; then it must be a good one */
};

/* Texts may be empty. */
struct tls_settings {
    const char *cert_file, *key_file, *key_pass;
    const char *client_cert_file, *client_key_file, *client_key_pass; /* of outgoing connections */
    const char *ca_file, *ca_dir, *dh_file;
    const char *protocols;           /* words: TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; empty: 1.2 and 1.3 */
    const char *ciphers, *ciphersuites; /* up to TLS 1.2; of 1.3 */
    bool prefer_server_ciphers, session_caching;
    int session_cache_size, session_cache_timeout_s; /* 0 entries: without limit */
    int peer; /* enum tls_peer */
};

struct tls_context;
struct tls;

/* A context for incoming connections. STATUS_ERR: *error says why. */
enum status tls_context_new(const struct tls_settings *settings, struct tls_context **out,
                            char *error, size_t error_cap) MUST_CHECK;
/* The same for outgoing ones: they show the client's certificate, or the server's where there is
 * none, and want one from the peer that the authorities have signed; for which host isn't asked. */
enum status tls_client_context_new(const struct tls_settings *settings, struct tls_context **out,
                                   char *error, size_t error_cap) MUST_CHECK;
/* NULL is allowed. */
void tls_context_free(struct tls_context *c);

/* A connection that was accepted on fd, which stays the caller's; NULL when memory is out. */
struct tls *tls_new(struct tls_context *c, int fd);
/* As tls_new, for a connection that was made with a context for outgoing ones. */
struct tls *tls_connect_new(struct tls_context *c, int fd);
/* Goes on with the handshake, which reads and writes do likewise. STATUS_AGAIN: as after EAGAIN of
 * tls_read. STATUS_IO: it failed. */
enum status tls_handshake(struct tls *t) MUST_CHECK;
/* Says goodbye, if that can be said without waiting, and frees. NULL is allowed. */
void tls_free(struct tls *t);

/* Reads up to len bytes. 0: the peer has ended; -1: errno, EAGAIN as told above, EPROTO for what
 * isn't TLS or isn't trusted (tls_error tells more). */
ssize_t tls_read(struct tls *t, void *to, size_t len);

/* Writes some of len bytes, at least one. After EAGAIN the next call must begin with the same
 * bytes, wherever they are by then. -1: errno as in tls_read. */
ssize_t tls_write(struct tls *t, const void *from, size_t len);

/* The last EAGAIN of tls_read waits until the socket can be written. */
bool tls_wants_write(const struct tls *t);

/* What was wrong with the connection; empty: nothing. */
const char *tls_error(const struct tls *t);

#endif
