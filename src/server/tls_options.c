/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS as configured: the options, and the context that new connections get. Changing an option of a
 * running server makes a new context, or leaves the old one in use and says why in the log; there
 * is none while nothing listens for TLS. Likewise for connections that we make. Main thread.
 */
#include <limits.h>

#include "base/log.h"
#include "conf/option.h"
#include "exec/client.h"
#include "net/tls.h"
#include "persist/migrate.h"
#include "server/private.h"

static struct {
    int port;
    struct view cert, key, key_pass, client_cert, client_key, client_key_pass, ca_file, ca_dir, dh;
    struct view protocols, ciphers, ciphersuites;
    bool prefer_server_ciphers, caching, cluster;
    int cache_size, cache_timeout_s;
    int peer; /* enum tls_peer */
} tls;

int server_tls_port(void)
{
    return tls.port;
}

enum status server_tls_setup(void)
{
    struct tls_context *context = NULL, *outgoing = NULL;
    char error[512];
    struct tls_settings s = {.cert_file = tls.cert.ptr,
                             .key_file = tls.key.ptr,
                             .key_pass = tls.key_pass.ptr,
                             .client_cert_file = tls.client_cert.ptr,
                             .client_key_file = tls.client_key.ptr,
                             .client_key_pass = tls.client_key_pass.ptr,
                             .ca_file = tls.ca_file.ptr,
                             .ca_dir = tls.ca_dir.ptr,
                             .dh_file = tls.dh.ptr,
                             .protocols = tls.protocols.ptr,
                             .ciphers = tls.ciphers.ptr,
                             .ciphersuites = tls.ciphersuites.ptr,
                             .prefer_server_ciphers = tls.prefer_server_ciphers,
                             .session_caching = tls.caching,
                             .session_cache_size = tls.cache_size,
                             .session_cache_timeout_s = tls.cache_timeout_s,
                             .peer = tls.peer};
    if (((tls.port || tls.cluster) && tls_context_new(&s, &context, error, sizeof(error))) ||
        (tls.cluster && tls_client_context_new(&s, &outgoing, error, sizeof(error)))) {
        tls_context_free(context);
        log_warning("Failed to configure TLS. %s", error);
        return STATUS_ERR;
    }
    driver_use_tls(context);
    migrate_use_tls(outgoing);
    return STATUS_OK;
}

static enum status apply(struct opt_error *err)
{
    if (server_tls_setup() == STATUS_OK) return STATUS_OK;
    return opt_fail(err, "Unable to update TLS configuration. Check server logs.");
}

static enum status apply_port(struct opt_error *err)
{
    if (apply(err)) return STATUS_ERR;
    driver_close_listeners();
    if (server_listen_all() == STATUS_OK) return STATUS_OK;
    return opt_fail(err, "Unable to listen on this port. Check server logs.");
}

static enum status check_path(const struct opt_row *row, struct view value, struct opt_error *err)
{
    UNUSED(row);
    if (!memchr(value.ptr, '\0', value.len)) return STATUS_OK;
    return opt_fail(err, "a NUL byte in a text for TLS");
}

static const struct opt_name peer_names[] = {{"no", TLS_PEER_NO},
                                             {"yes", TLS_PEER_YES},
                                             {"optional", TLS_PEER_OPTIONAL},
                                             {NULL, 0}};

/* Files are read anew though their names are the same: that is how a certificate is renewed. */
#define TEXT(name_, field, flags_, dflt_, doc_)                                                    \
    {.name = (name_), .kind = OPT_STRING, .flags = OPT_UNCHECKED | (flags_),                       \
     .var.text = &tls.field, .check = check_path, .apply = apply, .dflt = (dflt_),                 \
     .section = OPT_SECTION_TLS, .doc = (doc_)}

static const struct opt_row rows[] = {
    {.name = "tls-port", .kind = OPT_INT, .var.i = &tls.port, .dflt = "0", .max = 65535,
     .apply = apply_port, .section = OPT_SECTION_TLS,
     .doc = "The TCP port for connections with TLS; 0 listens on none. `port 0` beside it leaves "
            "nothing but TLS."},
    TEXT("tls-cert-file", cert, 0, "", "The server's certificate, PEM, with those between it and "
                                       "the authority behind it."),
    TEXT("tls-key-file", key, 0, "", "Its private key, PEM."),
    TEXT("tls-key-file-pass", key_pass, OPT_SENSITIVE, "", "The key's password, if it has one."),
    TEXT("tls-client-cert-file", client_cert, OPT_UNPRINTED, "", NULL),
    TEXT("tls-client-key-file", client_key, OPT_UNPRINTED, "", NULL),
    TEXT("tls-client-key-file-pass", client_key_pass, OPT_SENSITIVE | OPT_UNPRINTED, "", NULL),
    TEXT("tls-dh-params-file", dh, 0, "", "Diffie-Hellman parameters for old clients; empty: "
                                          "OpenSSL's own."),
    TEXT("tls-ca-cert-file", ca_file, 0, "", "The certificates of the authorities that clients' "
                                             "certificates must come from: a file, or"),
    TEXT("tls-ca-cert-dir", ca_dir, 0, "", "a folder (c_rehash)."),
    {.name = "tls-auth-clients", .kind = OPT_ENUM, .var.i = &tls.peer, .names = peer_names,
     .dflt = "yes", .apply = apply, .section = OPT_SECTION_TLS,
     .doc = "Whether clients must show a certificate: yes, no, or optional, where one that is "
            "shown must be good."},
    TEXT("tls-protocols", protocols, 0, "", "Which versions are spoken, of TLSv1, TLSv1.1, "
                                            "TLSv1.2, TLSv1.3; empty: the last two."),
    TEXT("tls-ciphers", ciphers, 0, "", "Ciphers up to TLS 1.2, as ciphers(1) has them; empty: "
                                        "OpenSSL's choice."),
    TEXT("tls-ciphersuites", ciphersuites, 0, "", "The same for TLS 1.3."),
    {.name = "tls-cluster", .kind = OPT_BOOL, .var.b = &tls.cluster, .dflt = "no",
     .apply = apply, .section = OPT_SECTION_TLS,
     .doc = "Speak TLS with other servers that keys are handed over to (MIGRATE). They need a "
            "certificate from an authority that we know; ours is that of "
            "tls-client-cert-file, or else tls-cert-file."},
    {.name = "tls-prefer-server-ciphers", .kind = OPT_BOOL, .var.b = &tls.prefer_server_ciphers,
     .dflt = "no", .apply = apply, .section = OPT_SECTION_TLS,
     .doc = "Choose the cipher by our order instead of the client's."},
    {.name = "tls-session-caching", .kind = OPT_BOOL, .var.b = &tls.caching, .dflt = "yes",
     .apply = apply, .section = OPT_SECTION_TLS,
     .doc = "Let clients come back without a whole handshake."},
    {.name = "tls-session-cache-size", .kind = OPT_INT, .var.i = &tls.cache_size,
     .dflt = "20480", .max = INT_MAX, .apply = apply, .section = OPT_SECTION_TLS,
     .doc = "How many sessions are remembered; 0: any number."},
    {.name = "tls-session-cache-timeout", .kind = OPT_INT, .var.i = &tls.cache_timeout_s,
     .dflt = "300", .max = INT_MAX, .apply = apply, .section = OPT_SECTION_TLS,
     .doc = "For how many seconds."},
};

void server_tls_options_register(void)
{
    opt_register(rows, ARRAY_COUNT(rows));
}
