/* The server: state and managers wired together, the very same for the daemon, for tests and for
 * the simulator. What differs between them (loop, store, schedulers, who listens) is handed in.
 * All [loop]. */
#ifndef SERVER_H
#define SERVER_H

#include "container/manager.h"
#include "deployment/manager.h"
#include "node/registry.h"
#include "scheduler/scheduler.h"
#include "service/manager.h"
#include "store/state.h"

/* Every kind of record, by id. */
extern const struct record_kind *const server_record_kinds[KIND_COUNT];

struct server_config {
    struct loop *loop;
    /* The store plugin's table, and how to open it. */
    const struct orch_store_v1 *store;
    void *store_module;
    const struct orch_host *store_host;
    const char *store_config, *state_directory;
    size_t event_limit;                       /* 0: the state's default */
    uint64_t suspect_after_ns, lost_after_ns; /* of nodes */
    const char *default_scheduler, *fallback_scheduler, *default_balancer;
    bool (*check_balancer)(void *argument, const char *name, const char *config_json,
                           struct error *error); /* NULL: any is fine */
    bool (*check_certificate)(void *argument, const char *name, struct error *error);
    void *check_argument;
};
/* Soft state of an object changed; changes of records are told by the state itself. */
struct server_listener {
    void (*touched)(void *argument, enum record_kind_id kind, const char *name);
    void *argument;
};
struct server {
    struct server_config config;
    struct loop *loop;
    struct state *state;
    struct container_manager *containers;
    struct node_registry *nodes;
    struct service_manager *services;
    struct scheduler *scheduler;
    struct deployment_manager *deployments;
    struct server_listener listener;
    struct state_subscriber shares;
    void (*opened)(void *argument, const struct error *error);
    void *argument;
    struct loop_slice starting;
    enum { START_NODES, START_SHARES, START_CONTAINERS } start_step;
    const struct container *shared_up_to;
    bool serving;
};
/* The scheduler has no plugins yet: scheduler_add_plugin(server->scheduler, ...) before opening. */
struct server *server_create(const struct server_config *config);
void server_set_listener(struct server *server, const struct server_listener *listener);
/* Loads the state, then starts the managers, then tells. */
void server_open(struct server *server, void (*opened)(void *argument, const struct error *error),
                 void *argument);
/* Ends what the store has under way and closes it. */
void server_close(struct server *server, void (*closed)(void *argument), void *argument);
void server_destroy(struct server *server); /* NULL is fine */

#endif
