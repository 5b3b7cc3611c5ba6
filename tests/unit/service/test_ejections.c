/* What a proxy leaves out: told by the service, by an event, and forgotten in time. */
#include "store/event.h"
#include "unit/server/rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig_node *node;
static char id[80];

static void setup(void)
{
    rig_begin();
    node = rig_add_node("node-1", 4000, "a");
    rig_write_service(rig_service("web", "web", "127.0.0.1:80"));
    rig_write(rig_deployment("web", "app:1", 2));
    rig_run_ms(1000);
    snprintf(id, sizeof id, "%s", rig_first("web")->id);
}

TestSuite(ejections, .init = setup, .fini = rig_end, .timeout = 60);

static void report(bool out, const char *message)
{
    rig_report_ejection(node, &(struct reported_ejection){.service = "web",
                                                          .container = id,
                                                          .out = out,
                                                          .message = message,
                                                          .time_ns = 10 * NS_PER_SECOND});
}

static size_t ejections(struct service_ejection_status *row)
{
    struct service_manager *manager = rig.server->services;
    return service_manager_ejections(manager, service_manager_find(manager, "web"), NULL, row, 1);
}

Test(ejections, are_told_with_why_where_and_until)
{
    struct service_ejection_status row;
    report(true, "5 connects failed in a row");
    cr_assert_eq(ejections(&row), 1);
    cr_assert_str_eq(row.container, id);
    cr_assert_str_eq(row.node, "node-1");
    cr_assert_str_eq(row.message, "5 connects failed in a row");
    cr_assert_eq(row.until_ms - row.since_ms, 10000);
    cr_assert(service_manager_is_ejected(rig.server->services, "web", 1));
    const struct event *event = rig_event("EndpointEjected");
    cr_assert_str_eq(event->object, "services/web");
    cr_assert_not_null(strstr(event->message, "5 connects failed"), "%s", event->message);
    report(false, "");
    cr_assert_eq(ejections(&row), 0);
    cr_assert_not_null(rig_event("EndpointReturned"));
}

Test(ejections, are_forgotten_with_their_container)
{
    struct service_ejection_status row;
    report(true, "5 connects failed in a row");
    rig_scale("web", 0);
    rig_run_ms(2000);
    cr_assert_eq(ejections(&row), 0);
    cr_assert_null(rig_event("EndpointReturned"));
}

Test(ejections, that_a_node_does_not_name_anew_are_over)
{
    struct service_ejection_status row;
    report(true, "5 connects failed in a row");
    rig_disconnect(node);
    rig_connect(node);
    rig_run_ms(1000);
    cr_assert_eq(ejections(&row), 0);
    cr_assert_not_null(rig_event("EndpointReturned"));
}

Test(ejections, of_a_service_that_is_not_there_are_no_harm)
{
    struct service_ejection_status row;
    rig_report_ejection(
        node, &(struct reported_ejection){.service = "gone", .container = id, .out = true});
    rig_report_ejection(node, &(struct reported_ejection){.out = true});
    cr_assert_eq(ejections(&row), 0);
}
