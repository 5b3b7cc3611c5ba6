#include "proxy/certificate.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* GnuTLS derives a fresh sealing key from this one every few hours; a leak of this one would open
 * all of them, so it is thrown away as well. */
#define TICKET_KEY_NS (24 * 3600 * NS_PER_SECOND)

struct certificate {
    atomic_uint references;
    char *name;
    gnutls_certificate_credentials_t credentials;
    pthread_mutex_t lock; /* of the two below */
    gnutls_datum_t ticket_key;
    uint64_t ticket_made_ns;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* -- the key of tickets -- */

static void forget_ticket_key(struct certificate *certificate)
{
    gnutls_datum_t *key = &certificate->ticket_key;
    if (key->data)
        explicit_bzero(key->data, key->size);
    gnutls_free(key->data);
    *key = (gnutls_datum_t){0};
}

static void copy_ticket_key(struct certificate *to, struct certificate *from)
{
    pthread_mutex_lock(&from->lock);
    if (from->ticket_key.data && (to->ticket_key.data = gnutls_malloc(from->ticket_key.size))) {
        memcpy(to->ticket_key.data, from->ticket_key.data, from->ticket_key.size);
        to->ticket_key.size = from->ticket_key.size;
        to->ticket_made_ns = from->ticket_made_ns;
    }
    pthread_mutex_unlock(&from->lock);
}

/* The session takes a copy. */
static int enable_tickets(struct certificate *certificate, gnutls_session_t session)
{
    int code = 0;
    pthread_mutex_lock(&certificate->lock);
    uint64_t now = now_ns();
    if (!certificate->ticket_key.data || now - certificate->ticket_made_ns > TICKET_KEY_NS) {
        forget_ticket_key(certificate);
        code = gnutls_session_ticket_key_generate(&certificate->ticket_key);
        certificate->ticket_made_ns = now;
    }
    if (code == 0)
        code = gnutls_session_ticket_enable_server(session, &certificate->ticket_key);
    pthread_mutex_unlock(&certificate->lock);
    return code;
}

/* -- the certificate -- */

static bool read_pem(int fd, gnutls_datum_t *pem)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size <= 0 || status.st_size > INT32_MAX)
        return false;
    pem->size = (unsigned)status.st_size;
    pem->data = memory_alloc((size_t)pem->size + 1);
    size_t at = 0;
    for (ssize_t got; at < pem->size; at += (size_t)got)
        if ((got = pread(fd, pem->data + at, pem->size - at, (off_t)at)) <= 0)
            return false;
    return true;
}

static bool take_pem(struct certificate *certificate, int fd, struct error *error)
{
    gnutls_datum_t pem = {0};
    int code = GNUTLS_E_FILE_ERROR;
    if (read_pem(fd, &pem))
        code = gnutls_certificate_set_x509_key_mem2(certificate->credentials, &pem, &pem,
                                                    GNUTLS_X509_FMT_PEM, NULL, 0);
    if (pem.data)
        explicit_bzero(pem.data, pem.size);
    free(pem.data);
    return code >= 0 || error_set(error, ERROR_VALIDATION, "certificate \"%s\": %s",
                                  certificate->name, gnutls_strerror(code));
}

struct certificate *certificate_create(const char *name, int fd, struct certificate *before,
                                       struct error *error)
{
    struct certificate *certificate = memory_alloc(sizeof *certificate);
    atomic_init(&certificate->references, 1);
    certificate->name = memory_strdup(name);
    pthread_mutex_init(&certificate->lock, NULL);
    if (gnutls_certificate_allocate_credentials(&certificate->credentials) < 0) {
        error_set(error, ERROR_NO_MEMORY, "no memory for a certificate");
        certificate_release(certificate);
        return NULL;
    }
    if (!take_pem(certificate, fd, error)) {
        certificate_release(certificate);
        return NULL;
    }
    if (before)
        copy_ticket_key(certificate, before);
    return certificate;
}

struct certificate *certificate_hold(struct certificate *certificate)
{
    if (certificate)
        atomic_fetch_add_explicit(&certificate->references, 1, memory_order_relaxed);
    return certificate;
}

void certificate_release(struct certificate *certificate)
{
    if (!certificate ||
        atomic_fetch_sub_explicit(&certificate->references, 1, memory_order_acq_rel) != 1)
        return;
    if (certificate->credentials)
        gnutls_certificate_free_credentials(certificate->credentials);
    forget_ticket_key(certificate);
    pthread_mutex_destroy(&certificate->lock);
    free(certificate->name);
    free(certificate);
}

const char *certificate_name(const struct certificate *certificate)
{
    return certificate->name;
}

int certificate_use(struct certificate *certificate, gnutls_session_t session)
{
    int code = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, certificate->credentials);
    return code < 0 ? code : enable_tickets(certificate, session);
}
