/* Global mode: which nodes are to have a replica, and which of them lack one. Kept up to date as
 * nodes and containers change, so that a look costs what is missing, not what there is. */
#include "deployment/impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

enum { JUDGED_AT_ONCE = 500 };

/* One node. */
struct home {
    UT_hash_handle hh;
    struct home *next, *previous; /* of those that lack one, in the order in which they came to */
    uint32_t held;                /* slots taken there */
    bool eligible, lacking;
    char node[64];
};

static struct home *find(const struct homes *homes, const char *node)
{
    struct home *home = NULL;
    HASH_FIND_STR(homes->by_node, node, home);
    return home;
}

static struct home *find_or_make(struct homes *homes, const char *node)
{
    struct home *home = find(homes, node);
    if (home)
        return home;
    home = memory_alloc(sizeof *home);
    snprintf(home->node, sizeof home->node, "%s", node);
    HASH_ADD_STR(homes->by_node, node, home);
    return home;
}

static void list(struct homes *homes, struct home *home)
{
    DL_APPEND2(homes->first, home, previous, next);
    homes->lacking++;
}

static void unlist(struct homes *homes, struct home *home)
{
    DL_DELETE2(homes->first, home, previous, next);
    homes->lacking--;
}

/* After a change of it: it is listed as what it is, and forgotten when it is nothing. */
static void settle(struct homes *homes, struct home *home)
{
    bool lacks = home->eligible && !home->held;
    if (lacks && !home->lacking)
        list(homes, home);
    else if (!lacks && home->lacking)
        unlist(homes, home);
    home->lacking = lacks;
    if (home->eligible || home->held)
        return;
    HASH_DEL(homes->by_node, home);
    free(home);
}

void homes_change(struct homes *homes, const char *node, int by)
{
    struct home *home = find_or_make(homes, node);
    assert(by > 0 || home->held);
    home->held = by > 0 ? home->held + 1 : home->held - 1;
    settle(homes, home);
}

bool homes_judge(struct deployment_manager *manager, struct track *track,
                 const struct deployment *deployment, const char *name)
{
    const struct node *node = node_registry_find(manager->config.nodes, name);
    struct homes *homes = &track->homes;
    struct home *home = find(homes, name);
    bool was = home && home->eligible;
    bool is = node && deployment_manager_may_run_on(manager, deployment, node);
    if (was != is) {
        home = find_or_make(homes, name);
        home->eligible = is;
        homes->eligible += is ? 1 : -1;
        settle(homes, home);
    }
    return was != is || homes_lacks(homes, name);
}

bool homes_lacks(const struct homes *homes, const char *node)
{
    const struct home *home = find(homes, node);
    return home && home->lacking;
}

void homes_look_through(struct homes *homes)
{
    homes->outdated = true;
    homes->judged_up_to[0] = 0;
}

bool homes_refresh(struct deployment_manager *manager, struct track *track,
                   const struct deployment *deployment)
{
    struct homes *homes = &track->homes;
    const struct node *node = NULL;
    if (!homes->outdated)
        return true;
    for (int i = 0; i < JUDGED_AT_ONCE; i++) {
        node =
            node_registry_next(manager->config.nodes, node                     ? node->name
                                                      : homes->judged_up_to[0] ? homes->judged_up_to
                                                                               : NULL);
        if (!node) {
            homes->outdated = false;
            return true;
        }
        (void)homes_judge(manager, track, deployment, node->name);
    }
    snprintf(homes->judged_up_to, sizeof homes->judged_up_to, "%s", node->name);
    return false;
}

struct list homes_lacking(struct deployment_manager *manager, const struct homes *homes,
                          struct arena *arena)
{
    const char **names = arena_alloc(arena, (homes->lacking + 1) * sizeof *names);
    uint32_t count = 0;
    for (const struct home *home = homes->first; home; home = home->next)
        if (node_registry_status(manager->config.nodes, home->node)->state == NODE_READY)
            names[count++] = home->node;
    return (struct list){.items = names, .count = count};
}

void homes_finish(struct homes *homes)
{
    struct home *home, *next;
    HASH_ITER(hh, homes->by_node, home, next)
    {
        HASH_DEL(homes->by_node, home);
        free(home);
    }
    *homes = (struct homes){0};
}
