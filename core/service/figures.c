/* What proxies count: of each endpoint, and of each revision since the proxies know it. */
#include "service/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node_figures { /* as that node's proxy said last */
    struct node_figures *next;
    int64_t in_flight, served, failed;
    char node[NODE_NAME_BYTES];
};

static void free_figures(struct track *track, struct figures *figures)
{
    while (figures->nodes) {
        struct node_figures *next = figures->nodes->next;
        free(figures->nodes);
        figures->nodes = next;
    }
    HASH_DEL(track->figures, figures);
    free(figures);
}

void figures_finish(struct track *track)
{
    struct figures *figures, *next;
    HASH_ITER(hh, track->figures, figures, next)
    {
        free_figures(track, figures);
    }
}

void figures_forget_gone(struct service_manager *manager, struct track *track)
{
    struct figures *figures, *next;
    HASH_ITER(hh, track->figures, figures, next)
    {
        if (!container_manager_find(manager->config.containers, figures->container))
            free_figures(track, figures);
    }
}

static struct figures *figures_of(struct track *track, const char *container)
{
    struct figures *figures = NULL;
    HASH_FIND_STR(track->figures, container, figures);
    if (figures)
        return figures;
    figures = memory_alloc(sizeof *figures);
    snprintf(figures->container, sizeof figures->container, "%s", container);
    HASH_ADD_STR(track->figures, container, figures);
    return figures;
}

static struct node_figures *figures_on(struct figures *figures, const char *node)
{
    struct node_figures *of = figures->nodes;
    while (of && strcmp(of->node, node) != 0)
        of = of->next;
    if (of)
        return of;
    of = memory_alloc(sizeof *of);
    snprintf(of->node, sizeof of->node, "%s", node);
    of->next = figures->nodes;
    figures->nodes = of;
    return of;
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

/* What came since; a proxy that was started anew counts from 0. */
static int64_t since(int64_t before, int64_t now)
{
    return now >= before ? now - before : now;
}

void figures_take(struct service_manager *manager, const char *node,
                  const struct reported_endpoint *reported)
{
    struct track *track = service_track(manager, reported->service);
    const struct container *container =
        container_manager_find(manager->config.containers, reported->container);
    if (!track || !container)
        return;
    struct figures *figures = figures_of(track, reported->container);
    struct node_figures *of = figures_on(figures, node);
    struct total *total = total_of(manager, container->deployment, container->revision, true);
    total->served += since(of->served, reported->served);
    total->failed += since(of->failed, reported->failed);
    figures->in_flight += reported->in_flight - of->in_flight;
    figures->served += reported->served - of->served;
    figures->failed += reported->failed - of->failed;
    of->in_flight = reported->in_flight;
    of->served = reported->served;
    of->failed = reported->failed;
}

struct service_requests service_manager_requests(struct service_manager *manager,
                                                 const char *deployment, int64_t revision)
{
    const struct total *total = total_of(manager, deployment, revision, false);
    return total ? (struct service_requests){total->served, total->failed}
                 : (struct service_requests){0};
}

void figures_forget_revision(struct service_manager *manager, const char *deployment,
                             int64_t revision)
{
    struct total *total = total_of(manager, deployment, revision, false);
    if (!total)
        return;
    HASH_DEL(manager->totals, total);
    free(total);
}

void figures_forget_totals(struct service_manager *manager)
{
    struct total *total, *next;
    HASH_ITER(hh, manager->totals, total, next)
    {
        HASH_DEL(manager->totals, total);
        free(total);
    }
}
