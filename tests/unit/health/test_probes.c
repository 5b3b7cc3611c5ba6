#include "base/clock.h"
#include "base/log.h"
#include "health/health.h"
#include "plugin/http_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Probes on the real loop against a peer on the same loop. */
static struct loop *loop;
static struct http_client *http;
static struct health *health;
static struct loop_io listener, connection;
static struct loop_timer deadline;
static uint16_t port;
static const char *reply;
static char heard[512];
static bool wanted_ready, met, late;
static struct container_template template;

static void answer(void *argument, int fd, unsigned events)
{
    (void)argument, (void)events;
    ssize_t length = read(fd, heard, sizeof heard - 1);
    if (length > 0) {
        heard[length] = 0;
        cr_assert_geq(write(fd, reply, strlen(reply)), 0);
    }
    loop_io_set(&connection, fd, 0);
    close(fd);
}

static void accepted(void *argument, int fd, unsigned events)
{
    (void)argument, (void)events;
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer < 0)
        return;
    if (!reply || connection.events) { /* a plain TCP peer */
        close(peer);
        return;
    }
    loop_io_set(&connection, peer, LOOP_READ);
}

static void open_listener(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    socklen_t length = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    port = ntohs(address.sin_port);
    loop_io_set(&listener, fd, LOOP_READ);
}

static void close_listener(void)
{
    int fd = listener.fd;
    if (!listener.events)
        return;
    loop_io_set(&listener, fd, 0);
    close(fd);
}

static void too_late(void *argument)
{
    (void)argument;
    late = true;
    loop_stop(loop);
}

static void changed(void *argument)
{
    (void)argument;
    if (health_ready(health) != wanted_ready)
        return;
    met = true;
    loop_stop(loop);
}

static void setup(void)
{
    struct error error;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
    loop = loop_create_real(&error);
    http = http_client_create(loop, &error);
    loop_io_init(&listener, loop, "listener", accepted, NULL);
    loop_io_init(&connection, loop, "connection", answer, NULL);
    loop_timer_init(&deadline, loop, "deadline", too_late, NULL);
    template = (struct container_template){0};
    port = 0;
    reply = NULL;
    open_listener();
}

static void teardown(void)
{
    health_destroy(health);
    close_listener();
    loop_timer_stop(&deadline);
    http_client_destroy(http);
    loop_destroy(loop);
}

TestSuite(probes, .init = setup, .fini = teardown, .timeout = 30);

static void begin(const struct probe *probe)
{
    template.readiness_probe = probe;
    health = health_create(&(struct health_config){.loop = loop,
                                                   .http = http,
                                                   .template = &template,
                                                   .address = "127.0.0.1",
                                                   .runtime_id = "x",
                                                   .changed = changed});
}

static void wait_ready(bool ready)
{
    wanted_ready = ready;
    met = late = false;
    loop_timer_start(&deadline, 10 * NS_PER_SECOND);
    loop_run(loop);
    cr_assert(met, "ready is still %d: %s", !ready, health_message(health));
}

static struct probe fast(void)
{
    return (struct probe){.interval_ns = 20 * NS_PER_MS,
                          .timeout_ns = 500 * NS_PER_MS,
                          .failure_threshold = 2,
                          .success_threshold = 1};
}

Test(probes, tcp_follows_the_listener)
{
    struct probe_tcp tcp = {.port.number = port};
    struct probe probe = fast();
    probe.tcp = &tcp;
    begin(&probe);
    wait_ready(true);
    close_listener();
    wait_ready(false);
    cr_assert_not_null(strstr(health_message(health), "refused"), "%s", health_message(health));
    open_listener();
    wait_ready(true);
    cr_assert_str_eq(health_message(health), "");
}

Test(probes, http_sends_what_it_was_told_and_reads_the_status)
{
    const struct map_entry header = {.key = "X-Probe", .value = "yes"};
    struct probe_http ask = {
        .port.number = port, .path = "/healthz?x=1", .headers = {.items = &header, .count = 1}};
    struct probe probe = fast();
    probe.http = &ask;
    reply = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    begin(&probe);
    wait_ready(true);
    cr_assert_eq(strncmp(heard, "GET /healthz?x=1 HTTP/1.1\r\n", 27), 0, "%s", heard);
    cr_assert_not_null(strstr(heard, "X-Probe: yes\r\n"), "%s", heard);
    reply = "HTTP/1.1 503 No\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot today";
    wait_ready(false);
    cr_assert_not_null(strstr(health_message(health), "503"), "%s", health_message(health));
    cr_assert_not_null(strstr(health_message(health), "not today"), "%s", health_message(health));
}

Test(probes, http_follows_no_redirect)
{
    struct probe_http ask = {.port.number = port, .path = "/", .status = 200};
    struct probe probe = fast();
    probe.http = &ask;
    reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    begin(&probe);
    wait_ready(true);
    reply = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n"
            "Connection: close\r\n\r\n";
    wait_ready(false);
    cr_assert_not_null(strstr(health_message(health), "302"), "%s", health_message(health));
}

Test(probes, a_port_is_found_by_its_name)
{
    const struct container_port named = {.name = "web", .number = port};
    struct probe_tcp tcp = {.port.name = "web"};
    struct probe probe = fast();
    probe.tcp = &tcp;
    template.ports = (struct list){.items = &named, .count = 1};
    begin(&probe);
    wait_ready(true);
}

Test(probes, an_answer_that_never_comes_is_a_failure)
{
    struct probe_http ask = {.port.number = port, .path = "/"};
    struct probe probe = fast();
    probe.timeout_ns = 100 * NS_PER_MS;
    probe.http = &ask;
    reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    begin(&probe);
    wait_ready(true);
    loop_io_set(&listener, listener.fd, 0); /* the kernel accepts, nobody answers */
    wait_ready(false);
    cr_assert_gt(strlen(health_message(health)), 0);
    loop_io_set(&listener, listener.fd, LOOP_READ);
}

Test(probes, the_first_failure_is_told_long_before_the_verdict)
{
    struct probe_tcp tcp = {.port.number = 1};
    struct probe probe = fast();
    probe.tcp = &tcp;
    probe.failure_threshold = 1000000;
    begin(&probe);
    wait_ready(false);
    cr_assert_gt(strlen(health_message(health)), 0);
}

Test(probes, destroying_in_mid_air_is_quiet)
{
    struct probe_http ask = {.port.number = port, .path = "/"};
    struct probe probe = fast();
    probe.http = &ask;
    reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    begin(&probe);
    health_destroy(health);
    health = NULL;
    loop_timer_start(&deadline, 100 * NS_PER_MS);
    loop_run(loop);
    cr_assert(late);
}
