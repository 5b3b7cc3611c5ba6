/* Taking a container out of the tables: every proxy that counts must have a table without it, and
 * have said that its connections ended or were cut at the deadline. */
#include "service/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long proxies that never say their word are waited for, beside what they may take. */
#define PROXY_MARGIN_NS (10 * NS_PER_SECOND)

static void free_drain(struct service_manager *manager, struct drain *drain)
{
    while (drain->debts) {
        struct debt *next = drain->debts->next;
        free(drain->debts);
        drain->debts = next;
    }
    loop_timer_stop(&drain->deadline);
    HASH_DEL(manager->drains, drain);
    free(drain);
}

static void finish(struct drain *drain)
{
    struct service_manager *manager = drain->manager;
    char container[80];
    snprintf(container, sizeof container, "%s", drain->container);
    free_drain(manager, drain);
    container_manager_drained(manager->config.containers, container);
    const struct container *record = container_manager_find(manager->config.containers, container);
    if (record) /* out of every table now, also as draining */
        service_manager_deployment_changed(manager, record->deployment);
}

static void check(struct drain *drain)
{
    struct node_registry *nodes = drain->manager->config.nodes;
    if (!drain->begun)
        return;
    struct debt **link = &drain->debts;
    while (*link) {
        if (node_registry_counts(nodes, (*link)->node)) {
            link = &(*link)->next;
            continue;
        }
        struct debt *gone = *link; /* silent for too long: it stops by itself */
        *link = gone->next;
        free(gone);
    }
    if (!drain->debts && node_registry_table_acknowledged(nodes, drain->version))
        finish(drain);
}

void service_check_drains(struct service_manager *manager)
{
    struct drain *drain, *next;
    HASH_ITER(hh, manager->drains, drain, next)
    {
        check(drain);
    }
}

static void deadline_passed(void *argument)
{
    struct drain *drain = argument;
    if (drain->debts)
        LOG_WARN("a proxy did not say that a container has drained; going on without",
                 LOG_STR("container", drain->container));
    finish(drain);
}

static void set_deadline(struct drain *drain, uint64_t longest_ns)
{
    drain->deadline_ns = loop_now_ns(drain->manager->loop) + longest_ns + PROXY_MARGIN_NS;
    loop_timer_start(&drain->deadline, longest_ns + PROXY_MARGIN_NS);
}

static bool owes(const struct drain *drain, const char *service)
{
    for (const struct debt *debt = drain->debts; debt; debt = debt->next)
        if (strcmp(debt->service, service) == 0)
            return true;
    return false;
}

void service_prolong_drains(struct service_manager *manager, const struct service *service)
{
    struct drain *drain, *next;
    uint64_t due_ns = loop_now_ns(manager->loop) + service->drain_timeout_ns + PROXY_MARGIN_NS;
    HASH_ITER(hh, manager->drains, drain, next)
    {
        if (drain->begun && drain->deadline_ns < due_ns && owes(drain, service->name))
            set_deadline(drain, service->drain_timeout_ns);
    }
}

static void add_debts(struct drain *drain, const struct service *service)
{
    struct service_manager *manager = drain->manager;
    const struct node *node = NULL;
    while ((node = node_registry_next(manager->config.nodes, node ? node->name : NULL))) {
        if (!node_registry_counts(manager->config.nodes, node->name))
            continue;
        struct debt *debt = memory_alloc(sizeof *debt);
        snprintf(debt->node, sizeof debt->node, "%s", node->name);
        snprintf(debt->service, sizeof debt->service, "%s", service->name);
        debt->next = drain->debts;
        drain->debts = debt;
    }
}

static void begin(struct drain *drain, const struct container *container)
{
    struct service_manager *manager = drain->manager;
    const struct service *service = NULL;
    uint64_t longest_ns = 0;
    drain->begun = true;
    /* What was withdrawn a moment ago may still be in proxies. */
    drain->version = node_registry_table_version(manager->config.nodes);
    drain->deadline.fire = deadline_passed;
    while ((service = service_of(manager, container->deployment, service))) {
        enum endpoint_state state;
        int64_t port;
        int64_t version = node_registry_publish(manager->config.nodes, service->name);
        drain->version = version > drain->version ? version : drain->version;
        if (!service_serves(manager, service, container, &state, &port))
            continue; /* no table has it */
        drain->served = true;
        add_debts(drain, service);
        if (service->drain_timeout_ns > longest_ns)
            longest_ns = service->drain_timeout_ns;
    }
    set_deadline(drain, longest_ns);
    /* In no table as of now; those that proxies still hold are to be replaced first. */
    if (!drain->debts && node_registry_table_acknowledged(manager->config.nodes, drain->version))
        loop_timer_start(&drain->deadline, 0);
}

static bool is_served(struct service_manager *manager, const struct container *container)
{
    const struct service *service = NULL;
    enum endpoint_state state;
    int64_t port;
    while ((service = service_of(manager, container->deployment, service)))
        if (service_serves(manager, service, container, &state, &port))
            return true;
    return false;
}

/* It had ended when its drain began, and its node, which had not heard of that, made it anew. */
void service_manager_container_changed(struct service_manager *manager,
                                       const struct container *container)
{
    struct drain *drain = NULL;
    HASH_FIND_STR(manager->drains, container->id, drain);
    if (drain && drain->begun && !drain->served && is_served(manager, container))
        begin(drain, container);
}

static void begin_when_settled(void *argument)
{
    struct drain *drain = argument;
    struct service_manager *manager = drain->manager;
    const struct container *container =
        container_manager_find(manager->config.containers, drain->container);
    if (!container)
        free_drain(manager, drain);
    else if (node_registry_settled(manager->config.nodes))
        begin(drain, container);
    else
        loop_timer_start(&drain->deadline, NS_PER_SECOND / 10);
}

void service_manager_drain(struct service_manager *manager, const struct container *container)
{
    struct drain *drain = NULL;
    HASH_FIND_STR(manager->drains, container->id, drain);
    if (drain)
        return;
    drain = memory_alloc(sizeof *drain);
    drain->manager = manager;
    snprintf(drain->container, sizeof drain->container, "%s", container->id);
    snprintf(drain->deployment, sizeof drain->deployment, "%s", container->deployment);
    loop_timer_init(&drain->deadline, manager->loop, "drain deadline", begin_when_settled, drain);
    HASH_ADD_STR(manager->drains, container, drain);
    begin_when_settled(drain);
}

void service_take_drained(struct service_manager *manager, const char *node,
                          const struct report *report)
{
    for (uint32_t i = 0; i < report->drained.count; i++) {
        const struct reported_drain *reported = LIST_AT(report->drained, struct reported_drain, i);
        struct drain *drain = NULL;
        HASH_FIND_STR(manager->drains, reported->container, drain);
        if (drain && reported->table_version < drain->version)
            continue; /* it had drained before, and may have been active since */
        for (struct debt **link = drain ? &drain->debts : NULL; link && *link;) {
            struct debt *debt = *link;
            if (strcmp(debt->node, node) == 0 && strcmp(debt->service, reported->service) == 0) {
                *link = debt->next;
                free(debt);
            } else {
                link = &debt->next;
            }
        }
    }
}

void service_drains_finish(struct service_manager *manager)
{
    struct drain *drain, *next;
    HASH_ITER(hh, manager->drains, drain, next)
    {
        free_drain(manager, drain);
    }
}
