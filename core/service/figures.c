/* What proxies count: of each endpoint, each service, and each revision since the proxies know it.
 *
 * Sources tell totals, so that nothing is counted twice when a report is told again or this server
 * has started anew; a proxy that was started anew is another source. */
#include "service/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCES_A_NODE = 4 }; /* of one name: a container that restarts has several one by one */

struct source {          /* as that node's proxy said last */
    struct source *next; /* older */
    int64_t number, in_flight;
    struct traffic last;
    char node[NODE_NAME_BYTES];
};

static void free_source(struct source *source)
{
    traffic_finish(&source->last);
    free(source);
}

static void free_figures(struct service_manager *manager, struct track *track,
                         struct figures *figures)
{
    while (figures->sources) {
        struct source *next = figures->sources->next;
        free_source(figures->sources);
        figures->sources = next;
    }
    traffic_finish(&figures->sum);
    traffic_ring_destroy(figures->ring, &manager->ring_budget);
    HASH_DEL(track->figures, figures);
    free(figures);
}

void figures_finish(struct service_manager *manager, struct track *track)
{
    struct figures *figures, *next;
    HASH_ITER(hh, track->figures, figures, next)
    {
        free_figures(manager, track, figures);
    }
    traffic_ring_destroy(track->ring, &manager->ring_budget);
}

void figures_forget_gone(struct service_manager *manager, struct track *track)
{
    struct figures *figures, *next;
    HASH_ITER(hh, track->figures, figures, next)
    {
        if (figures->container[0] &&
            !container_manager_find(manager->config.containers, figures->container)) {
            track->in_flight -= figures->in_flight;
            free_figures(manager, track, figures);
        }
    }
}

static struct figures *figures_of(struct track *track, const char *container, bool make)
{
    struct figures *figures = NULL;
    HASH_FIND_STR(track->figures, container, figures);
    if (figures || !make)
        return figures;
    figures = memory_alloc(sizeof *figures);
    snprintf(figures->container, sizeof figures->container, "%s", container);
    HASH_ADD_STR(track->figures, container, figures);
    return figures;
}

static void set_in_flight(struct track *track, struct figures *figures, struct source *source,
                          int64_t in_flight)
{
    figures->in_flight += in_flight - source->in_flight;
    track->in_flight += in_flight - source->in_flight;
    source->in_flight = in_flight;
}

/* Those before it have no more in flight, unless they say so; the oldest is forgotten. */
static void retire_sources(struct track *track, struct figures *figures, const char *node)
{
    int count = 0;
    for (struct source **at = &figures->sources; *at;) {
        struct source *source = *at;
        if (strcmp(source->node, node) != 0) {
            at = &source->next;
            continue;
        }
        set_in_flight(track, figures, source, 0);
        if (++count < SOURCES_A_NODE) {
            at = &source->next;
            continue;
        }
        *at = source->next;
        free_source(source);
    }
}

static struct source *source_of(struct track *track, struct figures *figures, const char *node,
                                int64_t number)
{
    struct source *source = figures->sources;
    while (source && (source->number != number || strcmp(source->node, node) != 0))
        source = source->next;
    if (source)
        return source;
    retire_sources(track, figures, node);
    source = memory_alloc(sizeof *source);
    source->number = number;
    snprintf(source->node, sizeof source->node, "%s", node);
    source->next = figures->sources;
    figures->sources = source;
    return source;
}

static struct total *total_of(struct service_manager *manager, const char *deployment,
                              int64_t revision, bool make)
{
    struct total *total = NULL;
    char key[sizeof total->key];
    snprintf(key, sizeof key, "%s/%lld", deployment, (long long)revision);
    HASH_FIND_STR(manager->totals, key, total);
    if (total || !make)
        return total;
    total = memory_alloc(sizeof *total);
    memcpy(total->key, key, sizeof key);
    HASH_ADD_STR(manager->totals, key, total);
    return total;
}

static void free_total(struct service_manager *manager, struct total *total)
{
    HASH_DEL(manager->totals, total);
    traffic_finish(&total->traffic);
    free(total);
}

/* -- what came since -- */

static void note_in_ring(struct service_manager *manager, struct traffic_ring **ring,
                         bool by_request, int64_t connections, int64_t in_flight,
                         const struct traffic *came)
{
    int64_t now_ms = loop_wall_ms(manager->loop);
    if (!*ring)
        *ring = traffic_ring_create(&manager->ring_budget, now_ms);
    if (*ring)
        traffic_ring_add(*ring, &manager->ring_budget, now_ms,
                         by_request ? traffic_requests(came) : connections,
                         came->counts[TRAFFIC_LOST], in_flight, &came->latency);
}

static void note_in_rings(struct service_manager *manager, struct track *track,
                          struct figures *figures, const struct traffic *came)
{
    const struct service *service = service_manager_find(manager, track->name);
    bool by_request = service && service->protocol == SERVICE_HTTP, own = !figures->container[0];
    int64_t connections = came->counts[TRAFFIC_CONNECTIONS];
    note_in_ring(manager, &track->ring, by_request, own ? connections : 0, track->in_flight, came);
    if (!own)
        note_in_ring(manager, &figures->ring, by_request, connections, figures->in_flight, came);
}

static void read_totals(const struct reported_endpoint *reported, struct traffic *out)
{
    memcpy(out->counts, reported->counts, sizeof out->counts);
    /* What is no histogram came from a stranger's hand, and is left as far as it could be read. */
    (void)histogram_read(&out->latency, reported->latency ? reported->latency : "");
}

static void take(struct service_manager *manager, struct track *track, struct figures *figures,
                 struct source *source, const struct container *container,
                 const struct reported_endpoint *reported)
{
    struct traffic said = {0}, came = {0};
    read_totals(reported, &said);
    traffic_add_since(&came, &said, &source->last);
    traffic_renew(&source->last, &said);
    set_in_flight(track, figures, source, reported->in_flight);
    traffic_add(&figures->sum, &came);
    if (container)
        traffic_add(&total_of(manager, container->deployment, container->revision, true)->traffic,
                    &came);
    if (!reported->resumed)
        note_in_rings(manager, track, figures, &came);
    traffic_finish(&said);
    traffic_finish(&came);
}

void figures_take(struct service_manager *manager, const char *node,
                  const struct reported_endpoint *reported)
{
    struct track *track = service_track(manager, reported->service);
    const char *name = reported->container ? reported->container : "";
    const struct container *container =
        *name ? container_manager_find(manager->config.containers, name) : NULL;
    if (!track)
        return;
    struct figures *figures = figures_of(track, name, container || !*name);
    if (figures)
        take(manager, track, figures, source_of(track, figures, node, reported->source), container,
             reported);
}

/* -- reading -- */

struct service_requests service_manager_requests(struct service_manager *manager,
                                                 const char *deployment, int64_t revision)
{
    const struct total *total = total_of(manager, deployment, revision, false);
    return total ? (struct service_requests){total->traffic.counts[TRAFFIC_SERVED],
                                             total->traffic.counts[TRAFFIC_FAILED]}
                 : (struct service_requests){0};
}

void service_manager_add_latency(struct service_manager *manager, const char *deployment,
                                 int64_t revision, struct histogram *to)
{
    const struct total *total = total_of(manager, deployment, revision, false);
    if (total)
        histogram_merge(to, &total->traffic.latency);
}

void figures_forget_revision(struct service_manager *manager, const char *deployment,
                             int64_t revision)
{
    struct total *total = total_of(manager, deployment, revision, false);
    if (total)
        free_total(manager, total);
}

void figures_forget_totals(struct service_manager *manager)
{
    struct total *total, *next;
    HASH_ITER(hh, manager->totals, total, next)
    {
        free_total(manager, total);
    }
}
