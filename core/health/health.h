/* The health of one running container: its startup, liveness and readiness probes, run against its
 * own address only. All [loop]. */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include "container/template.h"
#include "loop/loop.h"

struct health;
struct http_client;
struct runtime;
enum probe_role { ROLE_STARTUP, ROLE_LIVENESS, ROLE_READINESS, ROLE_COUNT };
struct probe_figures { /* results of tries, by role */
    uint64_t passed[ROLE_COUNT], failed[ROLE_COUNT];
};
struct health_config {
    struct loop *loop;
    struct http_client *http;
    struct runtime *runtime;                   /* for exec */
    const struct container_template *template; /* outlives the health */
    const char *address, *runtime_id;
    struct probe_figures *figures; /* counted there; NULL: nowhere */
    bool was_ready; /* adopted, and ready before: it stays ready until a probe says otherwise */
    /* Readiness changed, startup or liveness failed, or the first try did, before which there was
     * nothing to say; never inside a call of ours. */
    void (*changed)(void *argument);
    void *argument;
};
struct health *health_create(const struct health_config *config);
void health_destroy(struct health *health); /* no callback after it; NULL is fine */
bool health_ready(const struct health *health);
/* The word and sentence of what failed and wants a restart; NULL: nothing did. */
const char *health_failure(const struct health *health);
/* The last result of the probe that keeps it from being ready, with the reply's first bytes; "". */
const char *health_message(const struct health *health);

#endif
