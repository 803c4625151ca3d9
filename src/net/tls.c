/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See tls.h. OpenSSL reads ahead (one system call a read, not two a record) and gives its buffers
 * back while a connection is idle. What it has to say about a failure is taken from its queue of
 * errors at once, as that is the thread's and not the connection's.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define ERROR_MAX 256

struct tls_context {
    SSL_CTX *ssl;
};

struct tls {
    SSL *ssl;
    bool wants_write, broken;
    char error[ERROR_MAX];
};

/* ---- errors ---- */

/* Takes the first error of the queue, which is the cause, and empties it. */
static void take_error(char *text, size_t cap)
{
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, text, cap);
    else
        snprintf(text, cap, "unknown error");
    ERR_clear_error();
}

static enum status fail(const char *what, char *error, size_t cap)
{
    char why[ERROR_MAX];
    take_error(why, sizeof(why));
    snprintf(error, cap, "%s: %s", what, why);
    return STATUS_ERR;
}

/* ---- contexts ---- */

static const struct {
    const char *name;
    int version;
    uint64_t off; /* the option that switches it off */
} protocols[] = {
    {"TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1},
    {"TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
};

/* The set of protocols that the words name, as bits of the table; 0: there's none of that name. */
static unsigned parse_protocols(const char *text)
{
    unsigned set = 0;
    if (!*text) return 1u << 2 | 1u << 3;
    while (*text) {
        size_t len = strcspn(text, " "), p = 0;
        while (p < ARRAY_COUNT(protocols) &&
               !view_eq_nocase(view_of(text, len), protocols[p].name))
            p++;
        if (len && p == ARRAY_COUNT(protocols)) return 0;
        if (len) set |= 1u << p;
        text += len;
        text += *text == ' ';
    }
    return set;
}

static enum status set_protocols(SSL_CTX *ctx, const char *text, char *error, size_t cap)
{
    unsigned set = parse_protocols(text);
    if (!set) {
        snprintf(error, cap, "Invalid tls-protocols specified: '%s'", text);
        return STATUS_ERR;
    }
    int lowest = 0, highest = 0;
    for (size_t p = 0; p < ARRAY_COUNT(protocols); p++) {
        if (!(set & 1u << p)) {
            SSL_CTX_set_options(ctx, protocols[p].off);
            continue;
        }
        if (!lowest) lowest = protocols[p].version;
        highest = protocols[p].version;
    }
    if (SSL_CTX_set_min_proto_version(ctx, lowest) && SSL_CTX_set_max_proto_version(ctx, highest))
        return STATUS_OK;
    return fail("Failed to set the TLS protocols", error, cap);
}

static int give_password(char *to, int cap, int writing, void *password)
{
    UNUSED(writing);
    size_t len = strlen(password);
    if (len > (size_t)cap) return -1;
    memcpy(to, password, len);
    return (int)len;
}

/* A certificate with its key, and the key's password, which may be empty. */
struct identity {
    const char *cert_file, *key_file, *key_pass;
};

static enum status load_certificate(SSL_CTX *ctx, struct identity who, char *error, size_t cap)
{
    if (!*who.cert_file || !*who.key_file) {
        snprintf(error, cap, "No tls-cert-file configured!");
        if (*who.cert_file) snprintf(error, cap, "No tls-key-file configured!");
        return STATUS_ERR;
    }
    if (*who.key_pass) {
        SSL_CTX_set_default_passwd_cb(ctx, give_password);
        SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)who.key_pass);
    }
    enum status st = STATUS_OK;
    if (SSL_CTX_use_certificate_chain_file(ctx, who.cert_file) <= 0)
        st = fail("Failed to load the certificate", error, cap);
    else if (SSL_CTX_use_PrivateKey_file(ctx, who.key_file, SSL_FILETYPE_PEM) <= 0)
        st = fail("Failed to load the private key", error, cap);
    /* The password is the settings', which may change. */
    SSL_CTX_set_default_passwd_cb(ctx, NULL);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    return st;
}

static enum status load_authorities(SSL_CTX *ctx, const struct tls_settings *s, int peer,
                                    char *error, size_t cap)
{
    int verify = SSL_VERIFY_NONE;
    if (peer == TLS_PEER_YES) verify = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    if (peer == TLS_PEER_OPTIONAL) verify = SSL_VERIFY_PEER;
    SSL_CTX_set_verify(ctx, verify, NULL);
    if (!*s->ca_file && !*s->ca_dir) {
        if (peer == TLS_PEER_NO) return STATUS_OK;
        snprintf(error, cap, "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when "
                             "tls-cluster, tls-replication or tls-auth-clients are enabled!");
        return STATUS_ERR;
    }
    const char *file = *s->ca_file ? s->ca_file : NULL, *dir = *s->ca_dir ? s->ca_dir : NULL;
    if (SSL_CTX_load_verify_locations(ctx, file, dir) > 0) return STATUS_OK;
    return fail("Failed to configure CA certificate(s) file/directory", error, cap);
}

static enum status load_dh(SSL_CTX *ctx, const char *path, char *error, size_t cap)
{
    if (!*path) {
        SSL_CTX_set_dh_auto(ctx, 1);
        return STATUS_OK;
    }
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *dh = file ? PEM_read_bio_Parameters(file, NULL) : NULL;
    BIO_free(file);
    if (dh && SSL_CTX_set0_tmp_dh_pkey(ctx, dh) > 0) return STATUS_OK;
    EVP_PKEY_free(dh);
    return fail("Failed to load the DH parameters", error, cap);
}

static enum status set_ciphers(SSL_CTX *ctx, const struct tls_settings *s, char *error, size_t cap)
{
    if (*s->ciphers && !SSL_CTX_set_cipher_list(ctx, s->ciphers))
        return fail("Failed to configure ciphers", error, cap);
    if (*s->ciphersuites && !SSL_CTX_set_ciphersuites(ctx, s->ciphersuites))
        return fail("Failed to configure ciphersuites", error, cap);
    if (s->prefer_server_ciphers) SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return STATUS_OK;
}

static void set_sessions(SSL_CTX *ctx, const struct tls_settings *s)
{
    static const unsigned char id[] = "cogwheel";
    if (!s->session_caching) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        return;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(ctx, s->session_cache_size);
    SSL_CTX_set_timeout(ctx, s->session_cache_timeout_s);
    SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
}

static void set_basics(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_SINGLE_DH_USE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
}

static struct tls_context *context_of(SSL_CTX *ctx)
{
    struct tls_context *c = mem_alloc(sizeof(*c));
    c->ssl = ctx;
    return c;
}

enum status tls_context_new(const struct tls_settings *s, struct tls_context **out, char *error,
                            size_t cap)
{
    struct identity server = {s->cert_file, s->key_file, s->key_pass};
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) return fail("Failed to make a TLS context", error, cap);
    set_basics(ctx);
    set_sessions(ctx, s);
    if (set_protocols(ctx, s->protocols, error, cap) || load_certificate(ctx, server, error, cap) ||
        load_authorities(ctx, s, s->peer, error, cap) || load_dh(ctx, s->dh_file, error, cap) ||
        set_ciphers(ctx, s, error, cap)) {
        SSL_CTX_free(ctx);
        return STATUS_ERR;
    }
    *out = context_of(ctx);
    return STATUS_OK;
}

enum status tls_client_context_new(const struct tls_settings *s, struct tls_context **out,
                                   char *error, size_t cap)
{
    struct identity client = {s->client_cert_file, s->client_key_file, s->client_key_pass};
    if (!*client.cert_file) client = (struct identity){s->cert_file, s->key_file, s->key_pass};
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx) return fail("Failed to make a TLS context", error, cap);
    set_basics(ctx);
    if (set_protocols(ctx, s->protocols, error, cap) || load_certificate(ctx, client, error, cap) ||
        load_authorities(ctx, s, TLS_PEER_YES, error, cap) || set_ciphers(ctx, s, error, cap)) {
        SSL_CTX_free(ctx);
        return STATUS_ERR;
    }
    *out = context_of(ctx);
    return STATUS_OK;
}

void tls_context_free(struct tls_context *c)
{
    if (!c) return;
    SSL_CTX_free(c->ssl); /* counted: connections have it yet */
    mem_free(c);
}

/* ---- connections ---- */

static struct tls *connection_new(struct tls_context *c, int fd, void (*set_side)(SSL *))
{
    SSL *ssl = SSL_new(c->ssl);
    if (!ssl || !SSL_set_fd(ssl, fd)) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    set_side(ssl);
    struct tls *t = mem_zalloc(sizeof(*t));
    t->ssl = ssl;
    return t;
}

struct tls *tls_new(struct tls_context *c, int fd)
{
    return connection_new(c, fd, SSL_set_accept_state);
}

struct tls *tls_connect_new(struct tls_context *c, int fd)
{
    return connection_new(c, fd, SSL_set_connect_state);
}

void tls_free(struct tls *t)
{
    if (!t) return;
    if (!t->broken && SSL_is_init_finished(t->ssl)) SSL_shutdown(t->ssl);
    ERR_clear_error();
    SSL_free(t->ssl);
    mem_free(t);
}

/* What a call that moved nothing means; sets errno. 0 or -1. */
static ssize_t outcome(struct tls *t, int rc)
{
    int saved = errno;
    t->wants_write = false;
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_WRITE: t->wants_write = true; errno = EAGAIN; return -1;
    case SSL_ERROR_WANT_READ: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL:
        t->broken = true;
        ERR_clear_error();
        if (!saved) return 0; /* it hung up without a word */
        errno = saved;
        return -1;
    default:
        t->broken = true;
        take_error(t->error, sizeof(t->error));
        errno = EPROTO;
        return -1;
    }
}

enum status tls_handshake(struct tls *t)
{
    ERR_clear_error();
    errno = 0;
    int rc = SSL_do_handshake(t->ssl);
    if (rc == 1) return STATUS_OK;
    return outcome(t, rc) < 0 && errno == EAGAIN ? STATUS_AGAIN : STATUS_IO;
}

ssize_t tls_read(struct tls *t, void *to, size_t len)
{
    size_t got;
    ERR_clear_error();
    errno = 0;
    int rc = SSL_read_ex(t->ssl, to, len, &got);
    if (rc <= 0) return outcome(t, rc);
    t->wants_write = false;
    return (ssize_t)got;
}

ssize_t tls_write(struct tls *t, const void *from, size_t len)
{
    size_t put;
    ERR_clear_error();
    errno = 0;
    int rc = SSL_write_ex(t->ssl, from, len, &put);
    if (rc > 0) return (ssize_t)put;
    ssize_t end = outcome(t, rc);
    t->wants_write = false; /* of reads only: who writes waits for the socket anyhow */
    if (end) return end;
    errno = EPIPE;
    return -1;
}

bool tls_wants_write(const struct tls *t)
{
    return t->wants_write;
}

const char *tls_error(const struct tls *t)
{
    return t->error;
}
