#include "pair_files.h"

#include <criterion/criterion.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void write_file(const char *path, const gnutls_datum_t *pem)
{
    FILE *file = fopen(path, "w");
    cr_assert(file && fwrite(pem->data, 1, pem->size, file) == pem->size && fclose(file) == 0);
    gnutls_free(pem->data);
}

static void fill(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *name,
                 int64_t seconds)
{
    time_t now = time(NULL);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "\1", 1);
    gnutls_x509_crt_set_activation_time(certificate, now - 3600);
    gnutls_x509_crt_set_expiration_time(certificate, now + seconds);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)strlen(name));
    gnutls_x509_crt_set_key(certificate, key);
    cr_assert_eq(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
}

struct pair_files pair_files_make(const char *common_name, int64_t seconds)
{
    struct pair_files files = {.folder = "/tmp/orch-pair-XXXXXX"};
    gnutls_x509_crt_t certificate;
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem;
    cr_assert(mkdtemp(files.folder));
    snprintf(files.certificate, sizeof files.certificate, "%s/cert.pem", files.folder);
    snprintf(files.key, sizeof files.key, "%s/key.pem", files.folder);
    gnutls_x509_privkey_init(&key);
    gnutls_x509_crt_init(&certificate);
    cr_assert_eq(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                 0);
    fill(certificate, key, common_name, seconds);
    cr_assert_eq(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_file(files.certificate, &pem);
    cr_assert_eq(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_file(files.key, &pem);
    cr_assert_eq(chmod(files.key, 0600), 0);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return files;
}

void pair_files_remove(const struct pair_files *files)
{
    unlink(files->certificate);
    unlink(files->key);
    rmdir(files->folder);
}
