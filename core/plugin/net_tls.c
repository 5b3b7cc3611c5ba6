#include "plugin/net_tls.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

struct net_tls {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

static bool load_files(struct net_tls *tls, const struct net_tls_settings *settings,
                       struct error *error)
{
    int code = settings->ca_file ? gnutls_certificate_set_x509_trust_file(
                                       tls->credentials, settings->ca_file, GNUTLS_X509_FMT_PEM)
                                 : gnutls_certificate_set_x509_system_trust(tls->credentials);
    if (code < 0)
        return error_set(error, ERROR_FORBIDDEN, "%s: %s",
                         settings->ca_file ? settings->ca_file : "the system's certificates",
                         gnutls_strerror(code));
    if (!settings->certificate_file)
        return true;
    code = gnutls_certificate_set_x509_key_file(tls->credentials, settings->certificate_file,
                                                settings->key_file, GNUTLS_X509_FMT_PEM);
    return code >= 0 || error_set(error, ERROR_FORBIDDEN, "%s: %s", settings->certificate_file,
                                  gnutls_strerror(code));
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

struct net_tls *net_tls_create(const struct net_tls_settings *settings, struct error *error)
{
    struct net_tls *tls = memory_alloc(sizeof *tls);
    if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0 ||
        gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
        gnutls_set_default_priority(tls->session) < 0) {
        error_set(error, ERROR_NO_MEMORY, "TLS can't be initialised");
        net_tls_destroy(tls);
        return NULL;
    }
    if (!load_files(tls, settings, error)) {
        net_tls_destroy(tls);
        return NULL;
    }
    gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    if (!is_address(settings->server_name))
        gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, settings->server_name,
                               strlen(settings->server_name));
    gnutls_session_set_verify_cert(tls->session, settings->server_name, 0);
    gnutls_transport_set_int(tls->session, settings->fd);
    return tls;
}

void net_tls_destroy(struct net_tls *tls)
{
    if (!tls)
        return;
    if (tls->session)
        gnutls_deinit(tls->session);
    if (tls->credentials)
        gnutls_certificate_free_credentials(tls->credentials);
    free(tls);
}

static ssize_t result(ssize_t code, const char *what, struct error *error)
{
    if (code >= 0)
        return code;
    if (code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED || !gnutls_error_is_fatal((int)code))
        return NET_TLS_AGAIN;
    error_set(error, ERROR_FORBIDDEN, "%s: %s", what, gnutls_strerror((int)code));
    return NET_TLS_FAILED;
}

int net_tls_handshake(struct net_tls *tls, struct error *error)
{
    return (int)result(gnutls_handshake(tls->session), "TLS handshake", error);
}

ssize_t net_tls_send(struct net_tls *tls, const void *bytes, size_t length, struct error *error)
{
    return result(gnutls_record_send(tls->session, bytes, length), "TLS", error);
}

ssize_t net_tls_receive(struct net_tls *tls, void *bytes, size_t room, struct error *error)
{
    return result(gnutls_record_recv(tls->session, bytes, room), "TLS", error);
}

int net_tls_finish(struct net_tls *tls, struct error *error)
{
    return (int)result(gnutls_bye(tls->session, GNUTLS_SHUT_WR), "TLS", error);
}

bool net_tls_wants_write(const struct net_tls *tls)
{
    return gnutls_record_get_direction(tls->session) == 1;
}
