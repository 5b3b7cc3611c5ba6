/* Services: what may be declared, and what their endpoints are. */
#include "unit/server/rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig_node *node;

static void setup(void)
{
    rig_begin();
    node = rig_add_node("node-1", 4000, "a");
}

TestSuite(service_manager, .init = setup, .fini = rig_end, .timeout = 60);

static struct service_manager *manager(void)
{
    return rig.server->services;
}

static enum error_code create_service(const struct service *wanted)
{
    return rig_answer(service_manager_write(manager(), WRITE_CREATE, wanted, &rig_request, rig_done,
                                            NULL, &rig.error));
}

static enum error_code delete_service(const char *name)
{
    return rig_answer(
        service_manager_delete(manager(), name, &rig_request, rig_done, NULL, &rig.error));
}

static struct service_status status_of(const char *name)
{
    struct service_status status;
    service_manager_status(manager(), service_manager_find(manager(), name), &status);
    return status;
}

Test(service_manager, a_listen_is_had_by_one_service_only)
{
    cr_assert_eq(create_service(rig_service("web", "web", "127.0.0.1:80")), ERROR_NONE);
    cr_assert_eq(create_service(rig_service("web", "web", "127.0.0.1:81")), ERROR_ALREADY_EXISTS);
    cr_assert_eq(create_service(rig_service("shop", "web", "127.0.0.1:80")), ERROR_CONFLICT);
    cr_assert_not_null(strstr(rig.error.message, "listen: 127.0.0.1:80 is taken"), "%s",
                       rig.error.message);
    cr_assert_eq(create_service(rig_service("shop", "web", "127.0.0.1:81")), ERROR_NONE);
    cr_assert_eq(rig_write_service(rig_service("shop", "web", "127.0.0.1:80")), ERROR_CONFLICT);
    cr_assert_eq(delete_service("web"), ERROR_NONE);
    cr_assert_eq(rig_write_service(rig_service("shop", "web", "127.0.0.1:80")), ERROR_NONE);
}

Test(service_manager, versions_count_what_users_declare)
{
    struct service *wanted = rig_service("web", "web", "127.0.0.1:80");
    cr_assert_eq(rig_write_service(wanted), ERROR_NONE);
    cr_assert_eq(service_manager_find(manager(), "web")->record.version, 1);
    cr_assert_eq(rig_write_service(wanted), ERROR_NONE);
    cr_assert_eq(service_manager_find(manager(), "web")->record.version, 1);
    char uid[ID_UID_BYTES];
    snprintf(uid, sizeof uid, "%s", service_manager_find(manager(), "web")->record.uid);
    wanted->drain_timeout_ns = NS_PER_SECOND;
    cr_assert_eq(rig_write_service(wanted), ERROR_NONE);
    cr_assert_eq(service_manager_find(manager(), "web")->record.version, 2);
    cr_assert_str_eq(service_manager_find(manager(), "web")->record.uid, uid);
    struct write_request request = rig_request;
    request.has_if_match = true;
    request.if_match = 1;
    cr_assert_eq(rig_answer(service_manager_write(manager(), WRITE_REPLACE, wanted, &request,
                                                  rig_done, NULL, &rig.error)),
                 ERROR_PRECONDITION_FAILED);
    cr_assert_eq(
        rig_answer(service_manager_delete(manager(), "web", &request, rig_done, NULL, &rig.error)),
        ERROR_PRECONDITION_FAILED);
    cr_assert_eq(delete_service("web"), ERROR_NONE);
    cr_assert_eq(delete_service("web"), ERROR_NOT_FOUND);
}

static struct service *http_service(const char *name, const char *const *hosts, uint32_t count,
                                    const char *prefix)
{
    struct service *wanted = rig_service(name, "web", "127.0.0.1:80");
    wanted->protocol = SERVICE_HTTP;
    wanted->hosts = (struct list){hosts, count};
    wanted->path_prefix = prefix;
    return wanted;
}

Test(service_manager, a_listen_is_shared_by_services_that_requests_tell_apart)
{
    static const char *const both[] = {"a.test", "b.test"};
    cr_assert_eq(create_service(http_service("any", NULL, 0, "/")), ERROR_NONE);
    cr_assert_eq(create_service(http_service("again", NULL, 0, "/")), ERROR_CONFLICT);
    cr_assert_eq(create_service(http_service("api", NULL, 0, "/api")), ERROR_NONE);
    cr_assert_eq(create_service(http_service("hosts", both, 2, "/")), ERROR_NONE);
    cr_assert_eq(create_service(http_service("one", both + 1, 1, "/")), ERROR_CONFLICT);
    cr_assert_eq(create_service(http_service("one", both + 1, 1, "/x")), ERROR_NONE);
    cr_assert_eq(create_service(rig_service("tcp", "web", "127.0.0.1:80")), ERROR_CONFLICT);
}

static const struct {
    const char *what;
    struct port_ref target;
    int64_t ports[2];  /* of the deployment; named "p0", "p1" */
    int64_t published; /* 0: no endpoint */
} targets[] = {{"the only port", {0}, {80}, 80},
               {"no port", {0}, {0}, 0},
               {"which of two", {0}, {80, 81}, 0},
               {"by name", {.name = "p1"}, {80, 81}, 81},
               {"by a name that is not there", {.name = "gone"}, {80}, 0},
               {"by number", {.number = 9000}, {80}, 9000}};

Test(service_manager, the_target_is_one_port_of_the_container)
{
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        static struct container_port ports[2];
        char name[16], listen[32];
        struct deployment *wanted;
        uint32_t count = 0;
        snprintf(name, sizeof name, "web-%zu", i);
        snprintf(listen, sizeof listen, "127.0.0.1:%zu", 8000 + i);
        wanted = rig_deployment(arena_strdup(&rig.arena, name), "app:1", 1);
        for (; count < 2 && targets[i].ports[count]; count++)
            ports[count] = (struct container_port){.name = count ? "p1" : "p0",
                                                   .number = targets[i].ports[count],
                                                   .host_port = NUMBER_NULL,
                                                   .protocol = PROTOCOL_TCP};
        wanted->template.ports = (struct list){ports, count};
        struct service *service =
            rig_service(arena_strdup(&rig.arena, name), arena_strdup(&rig.arena, name),
                        arena_strdup(&rig.arena, listen));
        service->target_port = targets[i].target;
        cr_assert_eq(rig_write(wanted), ERROR_NONE);
        cr_assert_eq(rig_write_service(service), ERROR_NONE);
        rig_run_ms(1000);
        int64_t published = 0;
        for (unsigned j = 0; j < node->endpoint_count; j++)
            if (strcmp(node->endpoints[j].service, name) == 0)
                published = node->endpoints[j].port;
        cr_expect_eq(published, targets[i].published, "%s: %lld", targets[i].what,
                     (long long)published);
        cr_expect_eq(rig_status(name).phase, PHASE_COMPLETE, "%s", targets[i].what);
    }
}

Test(service_manager, ready_containers_are_its_endpoints)
{
    struct service_endpoint_status rows[4];
    rig_write_service(rig_service("web", "web", "127.0.0.1:80"));
    cr_assert_eq(status_of("web").endpoints, 0, "its deployment may come later");
    node->never_ready = true;
    rig_write(rig_deployment("web", "app:1", 3));
    rig_run_ms(1000);
    cr_assert_eq(status_of("web").endpoints, 3);
    cr_assert_eq(status_of("web").ready, 0);
    cr_assert_eq(rig_active(node), 0);
    uint64_t seq = status_of("web").seq;
    node->never_ready = false;
    loop_timer_start(&node->turn, NS_PER_MS);
    rig_run_ms(1000);
    cr_assert_eq(status_of("web").ready, 3);
    cr_assert_eq(rig_active(node), 3);
    cr_assert_gt(status_of("web").seq, seq);
    const struct service *web = service_manager_find(manager(), "web");
    cr_assert_eq(service_manager_endpoints(manager(), web, rows, 2), 3, "all are counted");
    cr_assert_eq(rows[0].state, ENDPOINT_ACTIVE);
    cr_assert_str_eq(rows[0].node, "node-1");
    cr_assert_not_null(strstr(rows[0].address, ":80"), "%s", rows[0].address);
}

Test(service_manager, an_endpoint_is_active_once_every_proxy_that_counts_has_it)
{
    struct service_endpoint_status row;
    struct rig_node *other = rig_add_node("node-2", 0, "b");
    other->acknowledges_nothing = true;
    rig_write_service(rig_service("web", "web", "127.0.0.1:80"));
    rig_write(rig_deployment("web", "app:1", 1));
    rig_run_ms(1000);
    const struct service *web = service_manager_find(manager(), "web");
    cr_assert_eq(service_manager_endpoints(manager(), web, &row, 1), 1);
    cr_assert_eq(row.state, ENDPOINT_DOWN);
    cr_assert_not(service_manager_is_active(manager(), rig_first("web")));
    other->acknowledges_nothing = false;
    loop_timer_start(&other->turn, NS_PER_MS);
    rig_run_ms(100);
    service_manager_endpoints(manager(), web, &row, 1);
    cr_assert_eq(row.state, ENDPOINT_ACTIVE);
    cr_assert(service_manager_is_active(manager(), rig_first("web")));
}

Test(service_manager, may_turn_to_another_deployment)
{
    rig_write(rig_deployment("blue", "app:1", 2));
    rig_write(rig_deployment("green", "app:1", 3));
    rig_write_service(rig_service("web", "blue", "127.0.0.1:80"));
    rig_run_ms(1000);
    cr_assert_eq(rig_active(node), 2);
    rig_write_service(rig_service("web", "green", "127.0.0.1:80"));
    rig_run_ms(1000);
    cr_assert_eq(rig_active(node), 3);
    cr_assert_eq(rig_endpoint_state(node, rig_first("green")->id), ENDPOINT_ACTIVE);
    cr_assert_eq(delete_service("web"), ERROR_NONE);
    rig_run_ms(1000);
    cr_assert_eq(node->endpoint_count, 0);
}

Test(service_manager, what_proxies_say_of_listeners_and_endpoints_is_shown)
{
    struct service_listener_status listeners[2];
    struct service_endpoint_status row;
    rig_write_service(rig_service("web", "web", "127.0.0.1:80"));
    rig_write(rig_deployment("web", "app:1", 1));
    rig_run_ms(1000);
    const struct reported_listener heard[] = {{"web", false, "address in use"},
                                              {"nobody", true, NULL}};
    const struct reported_endpoint counted[] = {
        {.service = "web",
         .container = rig_first("web")->id,
         .in_flight = 1,
         .counts = {[TRAFFIC_SERVED] = 20, [TRAFFIC_FAILED] = 3}},
        {.service = "nobody", .container = "x", .counts = {[TRAFFIC_SERVED] = 1}}};
    const struct report report = {.listeners = {heard, 2}, .endpoints = {counted, 2}};
    service_manager_report(manager(), "node-1", &report);
    const struct service *web = service_manager_find(manager(), "web");
    cr_assert_eq(service_manager_listeners(manager(), web, listeners, 2), 1);
    cr_assert_not(listeners[0].listening);
    cr_assert_str_eq(listeners[0].message, "address in use");
    cr_assert_str_eq(listeners[0].node, "node-1");
    service_manager_endpoints(manager(), web, &row, 1);
    cr_assert_eq(row.in_flight, 1);
    cr_assert_eq(row.served, 20);
    cr_assert_eq(row.failed, 3);
    const struct reported_listener well = {"web", true, NULL};
    service_manager_report(manager(), "node-1", &(struct report){.listeners = {&well, 1}});
    cr_assert_eq(service_manager_listeners(manager(), web, listeners, 2), 1);
    cr_assert(listeners[0].listening);
}
