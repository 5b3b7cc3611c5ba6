/* What proxies leave out by what they see: kept by service, as each node said last. */
#include "service/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct left_out {
    struct left_out *next;
    bool stale; /* not named yet by a report that names all */
    int64_t since_ms, until_ms;
    char node[NODE_NAME_BYTES], container[80], message[160];
};

static struct left_out **find(struct track *track, const char *node, const char *container)
{
    struct left_out **link = &track->left_out;
    while (*link &&
           (strcmp((*link)->container, container) != 0 || strcmp((*link)->node, node) != 0))
        link = &(*link)->next;
    return link;
}

static void drop(struct left_out **link)
{
    struct left_out *gone = *link;
    *link = gone->next;
    free(gone);
}

static void note(struct service_manager *manager, struct track *track, const char *node,
                 const char *container, bool out, const char *message)
{
    char object[96];
    struct txn *txn = txn_begin(manager->state, (struct origin){.by = "controller/service"});
    snprintf(object, sizeof object, "services/%s", track->name);
    if (out)
        txn_event(txn, EVENT_WARNING, "EndpointEjected", object,
                  "the proxy of node %s leaves %s out: %s", node, container, message);
    else
        txn_event(txn, EVENT_NORMAL, "EndpointReturned", object,
                  "the proxy of node %s uses %s again", node, container);
    txn_submit(txn, NULL, NULL);
    track->seq = state_next_seq(manager->state);
}

static void take_out(struct service_manager *manager, struct track *track, const char *node,
                     const struct reported_ejection *reported)
{
    struct left_out *known = *find(track, node, reported->container);
    const char *message = reported->message ? reported->message : "";
    bool repeated = known && known->stale && strcmp(known->message, message) == 0;
    if (!known) {
        known = memory_alloc(sizeof *known);
        snprintf(known->node, sizeof known->node, "%s", node);
        snprintf(known->container, sizeof known->container, "%s", reported->container);
        known->since_ms = loop_wall_ms(manager->loop);
        known->next = track->left_out;
        track->left_out = known;
    }
    known->stale = false;
    snprintf(known->message, sizeof known->message, "%s", message);
    if (repeated)
        return;
    known->until_ms = loop_wall_ms(manager->loop) + (int64_t)(reported->time_ns / 1000000);
    note(manager, track, node, reported->container, true, message);
}

static void take_back(struct service_manager *manager, struct track *track, const char *node,
                      const char *container)
{
    struct left_out **known = find(track, node, container);
    if (!*known)
        return;
    drop(known);
    if (container_manager_find(manager->config.containers, container))
        note(manager, track, node, container, false, NULL);
}

static void mark_stale(struct service_manager *manager, const char *node)
{
    for (struct track *track = manager->tracks; track; track = track->hh.next)
        for (struct left_out *known = track->left_out; known; known = known->next)
            known->stale |= strcmp(known->node, node) == 0;
}

static void drop_stale(struct service_manager *manager)
{
    for (struct track *track = manager->tracks; track; track = track->hh.next)
        for (struct left_out **link = &track->left_out; *link;) {
            struct left_out gone = **link;
            if (!gone.stale) {
                link = &(*link)->next;
                continue;
            }
            take_back(manager, track, gone.node, gone.container);
        }
}

void ejections_take(struct service_manager *manager, const char *node, const struct report *report)
{
    if (report->full)
        mark_stale(manager, node);
    for (uint32_t i = 0; i < report->ejections.count; i++) {
        const struct reported_ejection *reported =
            LIST_AT(report->ejections, struct reported_ejection, i);
        struct track *track = reported->service ? service_track(manager, reported->service) : NULL;
        if (!track || !reported->container)
            continue;
        if (reported->out &&
            container_manager_find(manager->config.containers, reported->container))
            take_out(manager, track, node, reported);
        else
            take_back(manager, track, node, reported->container);
    }
    if (report->full)
        drop_stale(manager);
}

void ejections_forget_gone(struct service_manager *manager, struct track *track)
{
    for (struct left_out **link = &track->left_out; *link;)
        if (container_manager_find(manager->config.containers, (*link)->container))
            link = &(*link)->next;
        else
            drop(link);
}

void ejections_finish(struct track *track)
{
    while (track->left_out)
        drop(&track->left_out);
}

size_t service_manager_ejections(struct service_manager *manager, const struct service *service,
                                 const char *container, struct service_ejection_status *out,
                                 size_t limit)
{
    const struct track *track = service_track(manager, service->name);
    size_t count = 0;
    for (const struct left_out *known = track ? track->left_out : NULL; known;
         known = known->next) {
        if (container && strcmp(known->container, container) != 0)
            continue;
        if (count++ < limit)
            out[count - 1] = (struct service_ejection_status){.container = known->container,
                                                              .node = known->node,
                                                              .message = known->message,
                                                              .since_ms = known->since_ms,
                                                              .until_ms = known->until_ms};
    }
    return count;
}

const struct service *service_manager_find_ejection(struct service_manager *manager,
                                                    const struct container *container,
                                                    struct service_ejection_status *out)
{
    const struct service *service = NULL;
    while ((service = service_of(manager, container->deployment, service)))
        if (service_manager_ejections(manager, service, container->id, out, 1))
            return service;
    return NULL;
}

bool service_manager_is_ejected(struct service_manager *manager, const char *deployment,
                                int64_t revision)
{
    const struct service *service = NULL;
    while ((service = service_of(manager, deployment, service))) {
        const struct track *track = service_track(manager, service->name);
        for (const struct left_out *known = track ? track->left_out : NULL; known;
             known = known->next) {
            const struct container *container =
                container_manager_find(manager->config.containers, known->container);
            if (container && container->revision == revision)
                return true;
        }
    }
    return false;
}
