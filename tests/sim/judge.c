/* What the models tell goes to those who judge it. */
#include "judge.h"

#include <string.h>

struct run run;

/* -- engines -- */

static void called(const struct host *host)
{
    CHECK(I19_BOUND, host->engine.operations <= 4 + 8 + 4, "%u calls under way on %s",
          host->engine.operations, host->name);
}

static void listed(const struct cell *cell, bool answered)
{
    struct true_container *record = true_container(cell->record);
    if (record && answered && cell->state == ORCH_CONTAINER_EXITED)
        record->end_known_ns = record->end_known_ns ? record->end_known_ns : now_ns();
    else if (record && cell->state == ORCH_CONTAINER_RUNNING)
        record->end_known_ns = 0;
}

static void completed(orch_status status, bool again)
{
    if (again)
        CHECK(I30, status == ORCH_E_STALE, "a second answer is taken: %d", status);
    else
        CHECK(I30, status == ORCH_OK || status == ORCH_E_STALE, "complete answers %d", status);
}

/* -- servers -- */

/* Watches what containers are said to be, for judging replacements. */
static void soft_changed(struct server_process *process, enum record_kind_id kind, const char *name)
{
    if (kind == KIND_NODE) {
        check_lost(process, name);
        truth_nodes();
    }
    if (kind != KIND_CONTAINER)
        return;
    const struct container *container = container_manager_find(process->server->containers, name);
    struct true_container *seen = container ? true_container(name) : NULL;
    if (seen &&
        container_manager_status(process->server->containers, container)->state == CONTAINER_LOST)
        seen->lost_seen_ns = now_ns();
}

static void applied(struct server_process *server, const struct orch_store_txn *txn,
                    orch_status status)
{
    bool old = txn->fence < run.truth.fence;
    CHECK(I5_STORE, !old || status == ORCH_E_FENCED || status == ORCH_E_CONFLICT,
          "%s with fence %llu committed after fence %llu", server->process.name,
          (unsigned long long)txn->fence, (unsigned long long)run.truth.fence);
    if (status == ORCH_OK)
        truth_apply(server, txn);
}

/* -- proxies -- */

/* One that has not acknowledged for the suspect time no longer counts. */
static bool is_silent(const struct sim_proxy *proxy)
{
    return proxy->publish_asked && now_ns() - proxy->asked_ns > (SUSPECT_MS - 100) * NS_PER_MS;
}

/* A picked endpoint is its own container or nobody's; never another's. Other nodes' tables may lag
 * behind a crash there; what an ordered end leaves behind is judged at the end. */
static void picked(struct host *host, const struct proxy_table_service *service,
                   const struct proxy_endpoint *endpoint)
{
    struct host *at = NULL;
    struct true_container *record = true_container(endpoint->id);
    for (uint32_t i = 0; record && i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, record->node) == 0)
            at = &world.hosts[i];
    struct cell *cell = at ? engine_cell_at(at, endpoint->address) : NULL;
    /* A start that was under way when the end became known can't be held back any more. */
    bool known = record && record->end_known_ns && cell && record->end_known_ns < cell->asked_ns;
    CHECK(I14_STATE, !endpoint->draining, "%s picks %s, which drains", host->name, endpoint->id);
    CHECK(I14_ADDRESS,
          at != host || !cell || cell->foreign || !known || is_silent(&host->proxy) ||
              strcmp(cell->record, endpoint->id) == 0,
          "%s: a connection of %s to %s at %s reaches %s", host->name, service->name, endpoint->id,
          endpoint->address, cell ? cell->name : "");
}

static void fed(const struct host *host, const struct feed_service *service)
{
    const char *deployment = NULL;
    for (uint32_t i = 0; i < service->endpoint_count; i++) {
        struct true_container *container = true_container(service->endpoints[i].id);
        CHECK(I16, container, "%s: %s has an endpoint that never was: %s", host->name,
              service->name, service->endpoints[i].id);
        CHECK(I16, !deployment || strcmp(deployment, container->deployment) == 0,
              "%s: %s has endpoints of %s and %s", host->name, service->name, deployment,
              container->deployment);
        deployment = container->deployment;
        struct true_deployment *of = true_deployment(deployment);
        CHECK(I16_HIDDEN, container->was_public || !of || !truth_hides(of, container),
              "%s: %s has %s, which waits for its promotion", host->name, service->name,
              container->id);
    }
}

/* -- */

static bool add_schedulers(struct server_process *process, struct error *error)
{
    return scheduler_add_plugin(process->server->scheduler, "spread", sim_scheduler_spread, NULL,
                                &process->scheduler_host.orch, "{}", error) &&
           scheduler_add_plugin(process->server->scheduler, "binpack", sim_scheduler_binpack, NULL,
                                &process->scheduler_host.orch, "{}", error);
}

void judge_init(void)
{
    world.judge = (struct judge){.stepped = check_instant,
                                 .called = called,
                                 .touched = check_touch,
                                 .started = check_start,
                                 .stopping = check_stop,
                                 .removing = check_remove,
                                 .listed = listed,
                                 .completed = completed,
                                 .soft_changed = soft_changed,
                                 .applied = applied,
                                 .server_died = users_server_died,
                                 .reported = truth_report,
                                 .picked = picked,
                                 .fed = fed};
    world.add_schedulers = add_schedulers;
}
