/* The service manager's own data. Private to this folder. */
#ifndef SERVICE_IMPL_H
#define SERVICE_IMPL_H

#include "service/manager.h"
#include "service/traffic_ring.h"

#include <uthash.h>

enum { ENDPOINT_KEY_BYTES = 224, NODE_NAME_BYTES = 64, RING_BYTES = 64 << 20 };

/* What one node's proxy says of one service's listener. */
struct listener {
    struct listener *next;
    char node[NODE_NAME_BYTES], message[160];
    bool listening;
};
/* Counters of one endpoint ("": of the service by itself), summed over nodes: figures.c. */
struct figures {
    UT_hash_handle hh;
    struct source *sources; /* the newest first */
    int64_t in_flight;
    struct traffic sum;
    struct traffic_ring *ring; /* NULL: nothing yet, or no room */
    char container[80];
};
struct track {
    UT_hash_handle hh;
    struct listener *listeners;
    struct figures *figures;
    int64_t in_flight; /* of all of them */
    struct traffic_ring *ring;
    struct left_out *left_out;
    uint64_t seq;
    char name[64];
};
/* Of all containers of a revision, those gone included. */
struct total {
    UT_hash_handle hh;
    struct traffic traffic;
    char key[96]; /* "deployment/revision" */
};
/* When a container came into the tables. */
struct publication {
    UT_hash_handle hh;
    int64_t version; /* of the table that first had it active */
    char deployment[64], container[80];
};
/* A container on its way out: which proxies still owe their word. */
struct debt {
    struct debt *next;
    char node[NODE_NAME_BYTES], service[64];
};
struct drain {
    UT_hash_handle hh;
    struct service_manager *manager;
    struct debt *debts;
    int64_t version; /* of the table without it */
    struct loop_timer deadline;
    uint64_t deadline_ns;
    bool begun;  /* not before the nodes have told, after a start, what runs there */
    bool served; /* tables have it: as draining, from now on */
    char deployment[64], container[80];
};
struct service_manager {
    struct service_manager_config config;
    struct loop *loop;
    struct state *state;
    struct state_subscriber subscriber;
    struct track *tracks;
    struct total *totals;
    struct ring_budget ring_budget; /* of all rings */
    struct publication *publications;
    struct drain *drains;
};
struct track *service_track(struct service_manager *manager, const char *name);
/* First service of that deployment after `after`. */
const struct service *service_of(struct service_manager *manager, const char *deployment,
                                 const struct service *after);
/* The port of the container that the service means; 0: it has none. */
int64_t service_target_port(struct service_manager *manager, const struct service *service,
                            const struct container *container);
bool service_serves(struct service_manager *manager, const struct service *service,
                    const struct container *container, enum endpoint_state *state, int64_t *port);
/* Containers that became active or left are noted with the version that says so. */
void service_note_publications(struct service_manager *manager, const char *deployment,
                               int64_t version);
void service_check_drains(struct service_manager *manager);
/* A proxy that has yet to hear of a drain will give it the time that the service has now. */
void service_prolong_drains(struct service_manager *manager, const struct service *service);
void service_take_drained(struct service_manager *manager, const char *node,
                          const struct report *report);
void figures_take(struct service_manager *manager, const char *node,
                  const struct reported_endpoint *reported);
void figures_forget_gone(struct service_manager *manager, struct track *track);
void figures_forget_revision(struct service_manager *manager, const char *deployment,
                             int64_t revision);
void figures_forget_totals(struct service_manager *manager);
void figures_finish(struct service_manager *manager, struct track *track);
void ejections_take(struct service_manager *manager, const char *node, const struct report *report);
void ejections_forget_gone(struct service_manager *manager, struct track *track);
void ejections_finish(struct track *track);
void service_drains_finish(struct service_manager *manager);

#endif
