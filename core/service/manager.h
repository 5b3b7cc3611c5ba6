/* The service manager: owns services, computes their endpoints from ready containers, publishes
 * them to every node's proxy, and tells when a container is out of every table and drained. All
 * [loop]. */
#ifndef SERVICE_MANAGER_H
#define SERVICE_MANAGER_H

#include "base/traffic.h"
#include "container/manager.h"
#include "node/registry.h"
#include "service/service.h"
#include "store/write.h"

struct service_manager;
struct service_manager_config {
    struct loop *loop;
    struct state *state;
    struct container_manager *containers;
    struct node_registry *nodes;
    const char *default_balancer;
    /* Is a balancer of that name loaded, and is its configuration right? */
    bool (*check_balancer)(void *argument, const char *name, const char *config_json,
                           struct error *error);
    /* Has the configuration a certificate of that name that clients take? NULL: any. */
    bool (*check_certificate)(void *argument, const char *name, struct error *error);
    void *argument;
};
struct service_manager *service_manager_create(const struct service_manager_config *config);
void service_manager_destroy(struct service_manager *manager);
void service_manager_start(struct service_manager *manager);

bool service_manager_write(struct service_manager *manager, enum write_mode mode,
                           const struct service *wanted, const struct write_request *request,
                           write_done *done, void *argument, struct error *error);
bool service_manager_delete(struct service_manager *manager, const char *name,
                            const struct write_request *request, write_done *done, void *argument,
                            struct error *error);
/* What its write would refuse besides a listen that is taken, every fault at once. `wanted` may be
 * what a faulty body left. */
void service_manager_check(struct service_manager *manager, const struct service *wanted,
                           struct schema_faults *faults);
const struct service *service_manager_find(struct service_manager *manager, const char *name);
const struct service *service_manager_next(struct service_manager *manager, const char *after);

struct service_listener_status {
    const char *node, *message;
    bool listening;
};
struct service_endpoint_status {
    const char *container, *node;
    char address[64]; /* "172.17.0.2:80" */
    uint8_t state;    /* enum endpoint_state */
    int64_t in_flight, served, failed;
};
struct service_status {
    int64_t endpoints, ready, draining;
    uint64_t seq;
};
void service_manager_status(struct service_manager *manager, const struct service *service,
                            struct service_status *out);
/* Lists; the strings are borrowed for this turn. Answers the count; fills at most `limit`. */
size_t service_manager_listeners(struct service_manager *manager, const struct service *service,
                                 struct service_listener_status *out, size_t limit);
size_t service_manager_endpoints(struct service_manager *manager, const struct service *service,
                                 struct service_endpoint_status *out, size_t limit);

/* What proxies leave out by what they see on it (`ejection`), newest first; of one container, or
 * NULL: of all. Lists as above. */
struct service_ejection_status {
    const char *container, *node, *message;
    int64_t since_ms, until_ms; /* until: at least; then it is probed */
};
size_t service_manager_ejections(struct service_manager *manager, const struct service *service,
                                 const char *container, struct service_ejection_status *out,
                                 size_t limit);
/* The first of that container, in whichever service; NULL: none leaves it out. */
const struct service *service_manager_find_ejection(struct service_manager *manager,
                                                    const struct container *container,
                                                    struct service_ejection_status *out);
/* Is one of that revision left out anywhere? */
bool service_manager_is_ejected(struct service_manager *manager, const char *deployment,
                                int64_t revision);

/* Hooks called by the daemon's wiring. */
void service_manager_deployment_changed(struct service_manager *manager, const char *deployment);
void service_manager_report(struct service_manager *manager, const char *node,
                            const struct report *report);
void service_manager_node_changed(struct service_manager *manager, const char *node);
/* Begins taking the container out of the tables; container_manager_drained follows once every
 * proxy that counts has acknowledged and drained (at once when no service has it). */
void service_manager_drain(struct service_manager *manager, const struct container *container);
void service_manager_container_changed(struct service_manager *manager,
                                       const struct container *container);
/* Is it active in every proxy that counts (or in no service at all)? A rollout waits for this
 * before it takes an old one away. */
bool service_manager_is_active(struct service_manager *manager, const struct container *container);
bool service_manager_has_service(struct service_manager *manager, const char *deployment);
/* What proxies have counted of that revision's endpoints, since this server knows of it. */
struct service_requests {
    int64_t served, failed;
};
struct service_requests service_manager_requests(struct service_manager *manager,
                                                 const char *deployment, int64_t revision);
/* Traffic of the last 15 minutes, in steps that end at `until_ms`; whole slots of five seconds. */
enum { TRAFFIC_STEP_MS = 5000, TRAFFIC_STEPS = 180 };
struct traffic_rates {
    int64_t requests, errors, in_flight; /* in the step; at its end. tcp: connections */
    int64_t p50_us, p99_us;              /* -1: there were none */
};
/* Of the `services` together, or of one container in all of them (NULL: of all). */
void service_manager_traffic(struct service_manager *manager, const struct service *const *services,
                             uint32_t service_count, const char *container, int64_t until_ms,
                             int64_t step_ms, struct traffic_rates *steps, uint32_t count);
/* What proxies have counted since this server or they, whichever was later, knew of it: endpoint by
 * endpoint; "none": the service by itself. What is beyond the limit is summed as "other".
 * Answers how many; the latencies are `bounds` counts of at most that long and one of all. */
enum { TRAFFIC_BOUNDS = 14 };
extern const uint64_t traffic_bounds_us[TRAFFIC_BOUNDS];
struct traffic_row {
    char endpoint[80];
    int64_t in_flight, counts[TRAFFIC_KIND_COUNT];
    uint64_t at_most[TRAFFIC_BOUNDS], latencies;
};
uint32_t service_manager_traffic_rows(struct service_manager *manager,
                                      const struct service *service, struct traffic_row *rows,
                                      uint32_t limit);
/* Adds the latencies of its requests (of its connections, for tcp) to a histogram. */
void service_manager_add_latency(struct service_manager *manager, const char *deployment,
                                 int64_t revision, struct histogram *to);
/* The table, or its changed part, for the registry to send. */
void service_manager_fill_table(struct service_manager *manager, const char *service,
                                struct arena *arena, struct published_service *out);

#endif
