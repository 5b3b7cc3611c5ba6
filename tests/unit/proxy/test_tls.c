/* What goes through a service with TLS: byte for byte as without, in records of any size, both
 * ways, and its ends are told apart from cuts. */
#include "../base/pair_files.h"
#include "base/key_pair.h"
#include "http_origin.h"
#include "rig.h"

#include <criterion/criterion.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static gnutls_certificate_credentials_t credentials;

static void put_certificate(const char *name)
{
    struct error error = {0};
    struct pair_files files = pair_files_make(name, 3600);
    struct key_pair pair = {0};
    cr_assert(key_pair_read(&pair, files.certificate, files.key, &error), "%s", error.message);
    cr_assert(proxy_feed_certificate_put(rig.feed, "c", pair.pem, pair.length, &error));
    key_pair_finish(&pair);
    pair_files_remove(&files);
}

static void prepare(void)
{
    rig_prepare();
    rig.workers = 1;
    rig.certificate = "c";
    gnutls_certificate_allocate_credentials(&credentials);
}

static void finish(void)
{
    rig_finish();
    gnutls_certificate_free_credentials(credentials);
}
TestSuite(proxy_tls, .init = prepare, .fini = finish, .timeout = 60);

static void serve(uint16_t port)
{
    rig_feed();
    put_certificate("first.test");
    rig_put(&(struct rig_endpoint){.id = "a", .port = port}, 1);
    rig_publish();
}

struct client {
    gnutls_session_t session;
    int fd;
};

static struct client open_client(const char *priority)
{
    struct client client = {.fd = client_connect(rig.port)};
    gnutls_init(&client.session, GNUTLS_CLIENT);
    gnutls_priority_set_direct(client.session, priority, NULL);
    gnutls_credentials_set(client.session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(client.session, client.fd);
    int code;
    do
        code = gnutls_handshake(client.session);
    while (code < 0 && !gnutls_error_is_fatal(code));
    cr_assert_eq(code, 0, "%s", gnutls_strerror(code));
    return client;
}

static void close_client(struct client *client)
{
    gnutls_deinit(client->session);
    close(client->fd);
}

static void say(struct client *client, const void *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t sent =
            gnutls_record_send(client->session, (const uint8_t *)bytes + at, length - at);
        cr_assert(sent > 0 || sent == GNUTLS_E_AGAIN, "%s", gnutls_strerror((int)sent));
        at += sent > 0 ? (size_t)sent : 0;
    }
}

static ssize_t hear(struct client *client, void *bytes, size_t length)
{
    ssize_t got;
    do
        got = gnutls_record_recv(client->session, bytes, length);
    while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
    return got;
}

static void hear_whole(struct client *client, char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t got = hear(client, bytes + at, length - at);
        cr_assert(got > 0, "%s after %zu", gnutls_strerror((int)got), at);
        at += (size_t)got;
    }
}

static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2",
                                       "NORMAL:-VERS-ALL:+VERS-TLS1.3"};

Test(proxy_tls, a_client_that_reads_slowly_gets_every_byte_and_the_end)
{
    static uint8_t bytes[1 << 16];
    serve(origin_start(ORIGIN_SOURCE, "source")->port);
    for (int v = 0; v < 2; v++) {
        struct client client = open_client(versions[v]);
        uint64_t total = 0;
        for (ssize_t got; (got = hear(&client, bytes, total % 70001 + 1)) != 0;) {
            cr_assert(got > 0, "%s", gnutls_strerror((int)got));
            for (ssize_t i = 0; i < got; i++)
                if (bytes[i] != pattern_at(total + (uint64_t)i))
                    cr_assert_fail("another byte at %llu", (unsigned long long)total + i);
            total += (uint64_t)got;
        }
        cr_assert_eq(total, ORIGIN_BYTES);
        close_client(&client);
    }
}

Test(proxy_tls, the_end_of_one_side_passes_and_the_other_goes_on)
{
    static uint8_t bytes[300000];
    char answer[32] = "";
    struct origin *origin = origin_start(ORIGIN_COUNT, "count");
    serve(origin->port);
    struct client client = open_client(versions[1]);
    for (int i = 0; i < 30; i++)
        say(&client, bytes, sizeof bytes);
    cr_assert_eq(gnutls_bye(client.session, GNUTLS_SHUT_WR), 0);
    cr_assert(hear(&client, answer, sizeof answer - 1) > 0);
    cr_assert_eq(atoi(answer), 30 * (int)sizeof bytes);
    cr_assert_eq(hear(&client, answer, sizeof answer), 0); /* and its end is said */
    close_client(&client);
}

static bool has_read(void *argument)
{
    return atomic_load(&((struct origin *)argument)->bytes) == 5;
}

static bool is_reset(void *argument)
{
    return atomic_load(&((struct origin *)argument)->resets) == 1;
}

Test(proxy_tls, a_cut_is_not_taken_for_an_end)
{
    struct origin *origin = origin_start(ORIGIN_COUNT, "count");
    serve(origin->port);
    struct client client = open_client(versions[1]);
    say(&client, "hello", 5);
    cr_assert(wait_until(has_read, origin));
    shutdown(client.fd, SHUT_WR);                  /* without a word */
    cr_assert(hear(&client, (char[1]){0}, 1) < 0); /* nor does it get one */
    cr_assert(wait_until(is_reset, origin));
    close_client(&client);
}

Test(proxy_tls, records_of_one_byte_and_new_keys_are_followed)
{
    static const char text[] = "a line of many records\n";
    char answer[sizeof text] = "";
    serve(origin_start(ORIGIN_ECHO, "echo")->port);
    struct client client = open_client(versions[1]);
    for (size_t i = 0; i < strlen(text); i++)
        say(&client, text + i, 1);
    hear_whole(&client, answer, strlen(text));
    cr_assert_str_eq(answer, text);
    cr_assert_eq(gnutls_session_key_update(client.session, GNUTLS_KU_PEER), 0);
    say(&client, text, strlen(text));
    hear_whole(&client, answer, strlen(text));
    cr_assert_str_eq(answer, text);
    close_client(&client);
}

Test(proxy_tls, a_connection_keeps_the_certificate_it_began_with)
{
    char answer[8] = "";
    serve(origin_start(ORIGIN_ECHO, "echo")->port);
    struct client client = open_client(versions[0]);
    for (int i = 0; i < 3; i++) { /* what it holds must not go with the tables */
        put_certificate("next.test");
        rig_publish();
        say(&client, "again\n", 6);
        hear_whole(&client, answer, 6);
        cr_assert_str_eq(answer, "again\n");
    }
    close_client(&client);
}

Test(proxy_tls, a_service_without_its_certificate_is_not_served)
{
    struct origin *origin = origin_start(ORIGIN_ECHO, "echo");
    rig_feed();
    rig_put(&(struct rig_endpoint){.id = "a", .port = origin->port}, 1);
    rig_publish();
    while (!rig.listener_known)
        rig_loop(10 * NS_PER_MS);
    cr_assert_not(rig.listening);
    cr_assert(strstr(rig.listener_message, "proxy.certificates"), "%s", rig.listener_message);
    cr_assert_eq(client_connect(rig.port), -1);
    put_certificate("first.test");
    while (!rig.listening)
        rig_loop(10 * NS_PER_MS);
    struct client client = open_client(versions[1]);
    close_client(&client);
}

Test(proxy_tls, http_is_told_of_it_and_may_become_a_tunnel)
{
    static const char upgrade[] = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                                  "Upgrade: echo\r\n\r\n";
    static const char echo[] = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
    char got[4096] = "";
    rig.protocol = FEED_HTTP;
    serve(http_origin_start("a")->port);
    struct client client = open_client(versions[1]);
    say(&client, echo, sizeof echo - 1);
    while (!strstr(got, "proto=https"))
        cr_assert(hear(&client, got + strlen(got), sizeof got - 1 - strlen(got)) > 0);
    cr_assert(strstr(got, "X-Forwarded-Proto: https"), "%s", got);
    close_client(&client);

    client = open_client(versions[1]);
    memset(got, 0, sizeof got);
    say(&client, upgrade, sizeof upgrade - 1);
    while (!strstr(got, "\r\n\r\n"))
        cr_assert(hear(&client, got + strlen(got), sizeof got - 1 - strlen(got)) > 0);
    cr_assert(strstr(got, " 101 "), "%s", got);
    memset(got, 0, sizeof got);
    say(&client, "through", 7);
    hear_whole(&client, got, 7);
    cr_assert_str_eq(got, "through");
    close_client(&client);
}
