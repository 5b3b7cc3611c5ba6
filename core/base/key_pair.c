#include "base/key_pair.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHAIN_LIMIT = 16, RSA_BITS = 2048, ID_BYTES = 64 };

/* -- files -- */

struct bytes {
    uint8_t *data; /* one more than `length`, which ends it */
    size_t length;
};

static void wipe(struct bytes *bytes)
{
    if (bytes->data)
        explicit_bzero(bytes->data, bytes->length);
    free(bytes->data);
    *bytes = (struct bytes){0};
}

static bool read_whole(int fd, struct bytes *out)
{
    size_t at = 0;
    for (ssize_t got; at < out->length; at += (size_t)got) {
        got = read(fd, out->data + at, out->length - at);
        if (got < 0)
            return false;
        if (got == 0)
            break; /* it has become shorter */
    }
    out->length = at;
    return true;
}

/* A key is to be read by its owner alone, who is root or us. */
static bool check_private(const struct stat *status, const char *file, struct error *error)
{
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return error_set(error, ERROR_VALIDATION,
                         "%s holds a private key and belongs to another user (uid %u); it must be "
                         "owned by root or the user the daemon runs as",
                         file, status->st_uid);
    if (status->st_mode & 077)
        return error_set(error, ERROR_VALIDATION,
                         "%s holds a private key and others may read it (mode %04o); chmod 600 %s",
                         file, status->st_mode & 07777, file);
    return true;
}

static bool read_open(int fd, const char *file, bool private, struct bytes *out,
                      struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, ERROR_VALIDATION, errno, "%s can't be read", file);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_VALIDATION, "%s is no regular file", file);
    if (private && !check_private(&status, file, error))
        return false;
    if (status.st_size > KEY_PAIR_BYTES)
        return error_set(error, ERROR_VALIDATION, "%s is larger than %d KiB", file,
                         KEY_PAIR_BYTES / 1024);
    out->length = (size_t)status.st_size;
    out->data = memory_alloc(out->length + 1);
    return read_whole(fd, out) ||
           error_set_errno(error, ERROR_VALIDATION, errno, "%s can't be read", file);
}

static bool read_file(const char *file, bool private, struct bytes *out, struct error *error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set_errno(error, ERROR_VALIDATION, errno, "%s can't be read", file);
    bool fine = read_open(fd, file, private, out, error);
    close(fd);
    return fine;
}

/* -- the certificate -- */

struct chain {
    gnutls_x509_crt_t *items;
    unsigned count;
};

static void chain_finish(struct chain *chain)
{
    for (unsigned i = 0; i < chain->count; i++)
        gnutls_x509_crt_deinit(chain->items[i]);
    gnutls_free(chain->items);
}

static gnutls_datum_t datum_of(const struct bytes *bytes)
{
    return (gnutls_datum_t){bytes->data, (unsigned)bytes->length};
}

static bool read_chain(const struct bytes *pem, const char *file, struct chain *chain,
                       struct error *error)
{
    const gnutls_datum_t datum = datum_of(pem);
    int code =
        gnutls_x509_crt_list_import2(&chain->items, &chain->count, &datum, GNUTLS_X509_FMT_PEM, 0);
    if (code < 0)
        return error_set(
            error, ERROR_VALIDATION,
            "%s holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\"): %s", file,
            gnutls_strerror(code));
    if (chain->count > CHAIN_LIMIT)
        return error_set(error, ERROR_VALIDATION,
                         "%s holds more than %d certificates; it is to hold the server's own and "
                         "those that signed it",
                         file, CHAIN_LIMIT);
    for (unsigned i = 0; i + 1 < chain->count; i++)
        if (!gnutls_x509_crt_check_issuer(chain->items[i], chain->items[i + 1]))
            return error_set(
                error, ERROR_VALIDATION,
                "certificate %u of %s is not signed by the next one; it is to hold the "
                "server's own first, then the one that signed it, and so on",
                i + 1, file);
    return true;
}

static bool check_strength(gnutls_x509_crt_t leaf, const char *file, struct error *error)
{
    unsigned bits = 0;
    int algorithm = gnutls_x509_crt_get_pk_algorithm(leaf, &bits);
    bool rsa = algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS;
    if (algorithm == GNUTLS_PK_DSA || (rsa && bits < RSA_BITS))
        return error_set(error, ERROR_VALIDATION,
                         "the key of the certificate in %s is too weak; have one made for ECDSA "
                         "P-256, or for RSA of at least %d bits",
                         file, RSA_BITS);
    return true;
}

/* -- the key -- */

static bool read_key(const struct bytes *pem, const char *file, gnutls_x509_privkey_t key,
                     struct error *error)
{
    const gnutls_datum_t datum = datum_of(pem);
    if (pem->length && memmem(pem->data, pem->length, "ENCRYPTED", strlen("ENCRYPTED")))
        return error_set(error, ERROR_VALIDATION,
                         "the key in %s is protected by a passphrase, which nobody is there to "
                         "type; write it without one (openssl pkey -in %s)",
                         file, file);
    int code = gnutls_x509_privkey_import2(key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
    return code >= 0 || error_set(error, ERROR_VALIDATION,
                                  "%s holds no private key in PEM form (\"-----BEGIN PRIVATE "
                                  "KEY-----\"): %s",
                                  file, gnutls_strerror(code));
}

static bool check_match(gnutls_x509_crt_t leaf, gnutls_x509_privkey_t key,
                        const char *certificate_file, const char *key_file, struct error *error)
{
    unsigned char of_leaf[ID_BYTES], of_key[ID_BYTES];
    size_t leaf_bytes = sizeof of_leaf, key_bytes = sizeof of_key;
    if (gnutls_x509_crt_get_key_id(leaf, 0, of_leaf, &leaf_bytes) == 0 &&
        gnutls_x509_privkey_get_key_id(key, 0, of_key, &key_bytes) == 0 &&
        leaf_bytes == key_bytes && memcmp(of_leaf, of_key, leaf_bytes) == 0)
        return true;
    return error_set(error, ERROR_VALIDATION,
                     "the key in %s does not belong to the first certificate in %s; give the key "
                     "that this certificate was asked for with",
                     key_file, certificate_file);
}

/* -- both -- */

static int64_t time_ms(time_t seconds)
{
    return seconds == (time_t)-1 ? INT64_MAX : (int64_t)seconds * 1000;
}

static void join(struct key_pair *pair, const struct bytes *certificate, const struct bytes *key)
{
    pair->length = certificate->length + 1 + key->length;
    pair->pem = memory_alloc(pair->length);
    if (certificate->length)
        memcpy(pair->pem, certificate->data, certificate->length);
    pair->pem[certificate->length] = '\n';
    if (key->length)
        memcpy(pair->pem + certificate->length + 1, key->data, key->length);
}

static bool check_key(struct key_pair *pair, const struct bytes *pem, gnutls_x509_crt_t leaf,
                      const char *certificate_file, const char *key_file, struct error *error)
{
    gnutls_x509_privkey_t key;
    pair->key_is_at_fault = true;
    if (gnutls_x509_privkey_init(&key) < 0)
        return error_set(error, ERROR_NO_MEMORY, "no memory for a key");
    bool fine = read_key(pem, key_file, key, error) &&
                check_match(leaf, key, certificate_file, key_file, error);
    gnutls_x509_privkey_deinit(key);
    return fine;
}

static bool read_pair(struct key_pair *pair, const char *certificate_file, const char *key_file,
                      struct bytes *certificate, struct bytes *key, struct error *error)
{
    CLEANUP(chain_finish) struct chain chain = {0};
    if (!read_file(certificate_file, false, certificate, error) ||
        !read_chain(certificate, certificate_file, &chain, error) ||
        !check_strength(chain.items[0], certificate_file, error))
        return false;
    pair->key_is_at_fault = true;
    if (!read_file(key_file, true, key, error) ||
        !check_key(pair, key, chain.items[0], certificate_file, key_file, error))
        return false;
    pair->key_is_at_fault = false;
    pair->valid_from_ms = time_ms(gnutls_x509_crt_get_activation_time(chain.items[0]));
    pair->valid_until_ms = time_ms(gnutls_x509_crt_get_expiration_time(chain.items[0]));
    join(pair, certificate, key);
    return true;
}

bool key_pair_read(struct key_pair *pair, const char *certificate_file, const char *key_file,
                   struct error *error)
{
    struct bytes certificate = {0}, key = {0};
    *pair = (struct key_pair){0};
    bool fine = read_pair(pair, certificate_file, key_file, &certificate, &key, error);
    wipe(&certificate);
    wipe(&key);
    return fine;
}

bool key_pair_check_time(const struct key_pair *pair, const char *certificate_file, int64_t now_ms,
                         struct error *error)
{
    char text[CLOCK_TEXT_BYTES];
    if (now_ms > pair->valid_until_ms)
        return error_set(error, ERROR_VALIDATION,
                         "the certificate in %s expired on %s and clients refuse it; put a renewed "
                         "one there",
                         certificate_file, clock_format_wall_ms(pair->valid_until_ms, text));
    if (now_ms < pair->valid_from_ms)
        return error_set(error, ERROR_VALIDATION,
                         "the certificate in %s is not valid before %s; look at this machine's "
                         "clock, or wait",
                         certificate_file, clock_format_wall_ms(pair->valid_from_ms, text));
    return true;
}

void key_pair_finish(struct key_pair *pair)
{
    if (pair->pem)
        explicit_bzero(pair->pem, pair->length);
    free(pair->pem);
    *pair = (struct key_pair){0};
}
