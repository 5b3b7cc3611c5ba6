/* Invariants that are judged at calls to the engine, after each step, and in the end. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a word may be on its way between parts that are in good health. */
#define WORD_NS (5 * NS_PER_SECOND)

bool host_is_steady_since(const struct host *host, uint64_t since_ns)
{
    return host->steady_since_ns && host->steady_since_ns <= since_ns && host->proxy.up &&
           host->proxy.up_since_ns <= since_ns &&
           now_ns() - host->heard_ns < (SUSPECT_MS - 700) * NS_PER_MS;
}

uint64_t host_silence_ns(const struct host *host)
{
    return now_ns() - host->heard_ns - (world.stalled_ns - host->heard_stalled_ns);
}

/* An agent never goes back to a server that was replaced. A host whose file was lost knows no
 * better. */
void check_kept(struct host *host)
{
    char path[96], text[4096];
    snprintf(path, sizeof path, "%s/agent.json", host->directory);
    FILE *file = fopen(path, "re");
    if (!file) {
        host->kept_fence = 0;
        return;
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    const char *at = strstr(text, "\"fence\":");
    int64_t fence = at ? strtoll(at + 8, NULL, 10) : 0;
    CHECK(I5_AGENT, fence >= host->kept_fence, "%s keeps fence %lld after %lld", host->name,
          (long long)fence, (long long)host->kept_fence);
    host->kept_fence = fence;
}

/* -- calls -- */

void check_touch(const struct host *host, const struct cell *cell, const char *verb)
{
    CHECK(I17_FOREIGN, !cell->foreign, "%s: %s of %s", host->name, verb, cell->name);
    struct true_container *record = true_container(cell->record);
    if (strcmp(verb, "start") != 0 || !record)
        return;
    uint64_t unwanted_ns = record->gone ? record->gone_ns : record->stopping_ns;
    bool told = (record->gone || record->stopping) && now_ns() - unwanted_ns > WORD_NS &&
                host->steady_since_ns && host->steady_since_ns + WORD_NS < now_ns() &&
                host->told_since_ns && host->told_since_ns + WORD_NS < now_ns();
    CHECK(START_STATE, !told, "%s: %s is started, and nobody wants it", host->name, cell->name);
}

static void note_start(const struct cell *cell, struct true_container *record)
{
    enum { MOST = 14 };
    uint32_t ring = sizeof record->start_times_ns / sizeof record->start_times_ns[0];
    uint64_t before =
        record->starts >= MOST ? record->start_times_ns[(record->starts - MOST) % ring] : 0;
    record->start_times_ns[record->starts++ % ring] = now_ns();
    bool asked = record->asked_ns && now_ns() - record->asked_ns < 60 * NS_PER_SECOND;
    CHECK(I20, !before || asked || now_ns() - before > 30 * NS_PER_SECOND,
          "%s is started %d times within %llu ms", cell->name, MOST + 1,
          (unsigned long long)((now_ns() - before) / NS_PER_MS));
}

void check_start(const struct cell *cell)
{
    struct true_container *record = true_container(cell->record);
    for (uint32_t i = 0; i < world.options.hosts; i++)
        for (struct cell *other = world.hosts[i].engine.cells; other; other = other->next)
            CHECK(I1,
                  other == cell || other->state != ORCH_CONTAINER_RUNNING || other->foreign ||
                      strcmp(other->record, cell->record) != 0,
                  "%s runs beside %s", cell->name, other->name);
    if (record)
        note_start(cell, record);
    for (struct cell *other = cell->host->engine.cells; other; other = other->next) {
        struct true_container *twin = true_container(other->record);
        bool same = record && twin && twin->revision == record->revision &&
                    strcmp(twin->deployment, record->deployment) == 0 && !record->gone &&
                    !twin->gone;
        CHECK(PINNED, !same || strcmp(other->image, cell->image) == 0, "%s runs %s, %s runs %s",
              cell->name, cell->image, other->name, other->image);
    }
}

/* A probe or a user may want it stopped, and then made anew. */
static bool may_restart(const struct true_container *record)
{
    return record->has_liveness ||
           (record->asked_ns && now_ns() - record->asked_ns < 120 * NS_PER_SECOND);
}

static bool has_later(const struct host *host, const struct cell *cell)
{
    for (struct cell *other = host->engine.cells; other; other = other->next)
        if (strcmp(other->record, cell->record) == 0 && other->incarnation > cell->incarnation)
            return true;
    return false;
}

static void judge_barrier(const struct true_container *record)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        if (!host_is_steady_since(host, record->stopping_ns))
            continue;
        for (uint32_t s = 0; s < host->proxy.now.count; s++) {
            const struct proxy_table_service *service = &host->proxy.now.services[s];
            for (uint32_t e = 0; e < service->count; e++) {
                const struct proxy_endpoint *endpoint = &service->endpoints[e];
                if (strcmp(endpoint->id, record->id) != 0)
                    continue;
                uint64_t drained_ns = now_ns() - endpoint->draining_since_ns;
                CHECK(I15_BARRIER, endpoint->draining,
                      "%s is stopped and active in the proxy of %s", record->id, host->name);
                CHECK(I15_BARRIER,
                      !endpoint->in_flight || now_ns() + NS_PER_SECOND / 10 >= endpoint->cut_at_ns,
                      "%s is stopped with %u connections after %llu ms on %s", record->id,
                      endpoint->in_flight, (unsigned long long)(drained_ns / NS_PER_MS),
                      host->name);
            }
        }
    }
}

/* Without a server an agent restarts what it has, and ends what it was told to end before. */
static void judge_alone(const struct host *host, const struct cell *cell)
{
    const struct true_container *record = true_container(cell->record);
    bool alone = !host->flow || host->unreachable;
    if (!record || may_restart(record) || cell->incarnation < record->incarnation ||
        has_later(host, cell))
        return;
    uint64_t unwanted_ns = record->gone       ? record->gone_ns
                           : record->stopping ? record->stopping_ns
                                              : UINT64_MAX;
    CHECK(I7, !alone || unwanted_ns <= host->word_ns, "%s is alone and ends %s by itself",
          host->name, cell->name);
}

void check_stop(const struct host *host, const struct cell *cell, uint64_t grace_ns)
{
    struct true_container *record = true_container(cell->record);
    CHECK(I15_GRACE, grace_ns >= NS_PER_SECOND, "%s: %s is given %llu ms", host->name, cell->name,
          (unsigned long long)(grace_ns / NS_PER_MS));
    judge_alone(host, cell);
    if (!record || record->gone)
        return;
    bool calm = !world.options.rates[FAULT_PROXY_SLOW] && host->proxy.up &&
                now_ns() - host->proxy.up_since_ns > WORD_NS;
    CHECK(I15_LOCAL, !calm || !cell->known || !proxy_has_active(host, cell->record),
          "%s: %s is stopped and active in the local proxy", host->name, cell->name);
    if (may_restart(record))
        return;
    if (record->stopping)
        judge_barrier(record);
    else
        CHECK(I18_STOP, cell->incarnation < record->incarnation || has_later(host, cell),
              "%s: %s is stopped, and its record wants it", host->name, cell->name);
}

void check_remove(const struct host *host, const struct cell *cell)
{
    bool running = cell->state == ORCH_CONTAINER_RUNNING;
    if (running)
        judge_alone(host, cell);
    CHECK(I15_GRACE, !running || !cell->known || cell->term_ns,
          "%s: %s is removed while it runs, without a signal", host->name, cell->name);
}

/* Told in the very turn in which the server gives it up. */
void check_lost(struct server_process *server, const char *node)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        if (server != server_leader() || strcmp(host->name, node) != 0 ||
            !node_registry_find(server->server->nodes, node))
            continue;
        bool lost = node_registry_status(server->server->nodes, node)->state == NODE_LOST;
        uint64_t least = LOST_MS * NS_PER_MS;
        uint64_t silence = host_silence_ns(host);
        CHECK(I6,
              !lost || host->was_lost ||
                  (silence >= least && now_ns() - server->opened_at_ns >= least),
              "%s is lost after %llu ms of silence", node,
              (unsigned long long)(silence / NS_PER_MS));
        host->was_lost = lost;
    }
}

/* -- after each step: what changes with time -- */

static void look_at_nodes(struct server_process *leader)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        const struct node *node = node_registry_find(leader->server->nodes, host->name);
        if (!node)
            continue;
        if (node->draining)
            host->draining_seen_ns = now_ns();
    }
}

static void look_at_containers(struct server_process *leader)
{
    const struct container *container = NULL;
    while ((container = container_manager_next(leader->server->containers, NULL, container))) {
        struct true_container *seen = true_container(container->id);
        if (seen && container_manager_status(leader->server->containers, container)->state ==
                        CONTAINER_LOST)
            seen->lost_seen_ns = now_ns();
    }
}

static void look_at_deployments(struct server_process *leader)
{
    struct true_deployment *seen, *next;
    HASH_ITER(hh, run.truth.deployments, seen, next)
    {
        const struct deployment *found =
            deployment_manager_find(leader->server->deployments, seen->name);
        bool same = found && strcmp(found->record.uid, seen->uid) == 0;
        CHECK(I3_ACKNOWLEDGED,
              seen->gone || !seen->acknowledged_version ||
                  (same && found->record.version >= seen->acknowledged_version),
              "%s: version %llu was acknowledged, %llu is read", seen->name,
              (unsigned long long)seen->acknowledged_version,
              found ? (unsigned long long)found->record.version : 0ULL);
    }
}

void check_instant(void)
{
    static uint64_t looked_ns;
    struct server_process *leader = server_leader();
    if (!server_serves(leader) || now_ns() - looked_ns < NS_PER_SECOND / 4)
        return;
    looked_ns = now_ns();
    look_at_nodes(leader);
    truth_nodes();
    look_at_deployments(leader);
    look_at_containers(leader);
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (process_runs(&world.hosts[i].process))
            check_kept(&world.hosts[i]);
}

/* -- the end -- */

static int64_t running_of(const char *deployment)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < world.options.hosts; i++)
        for (struct cell *cell = world.hosts[i].engine.cells; cell; cell = cell->next)
            count += !cell->foreign && cell->state == ORCH_CONTAINER_RUNNING &&
                     strcmp(cell->deployment, deployment) == 0;
    return count;
}

static bool tables_agree(struct server *server, char *why, size_t bytes)
{
    const struct service *service = NULL;
    while ((service = service_manager_next(server->services, service ? service->name : NULL))) {
        int64_t ready = 0;
        const struct container *container = NULL;
        while ((container =
                    container_manager_next(server->containers, service->deployment, container)))
            ready += container_manager_status(server->containers, container)->ready;
        for (uint32_t i = 0; i < world.options.hosts; i++) {
            const struct proxy_table *table = &world.hosts[i].proxy.now;
            int64_t active = 0;
            for (uint32_t s = 0; s < table->count; s++)
                for (uint32_t e = 0; e < table->services[s].count; e++)
                    active += strcmp(table->services[s].name, service->name) == 0 &&
                              !table->services[s].endpoints[e].draining;
            if (active == ready)
                continue;
            snprintf(why, bytes, "service %s: %lld active on %s, %lld ready", service->name,
                     (long long)active, world.hosts[i].name, (long long)ready);
            return false;
        }
    }
    return true;
}

static bool deployment_agrees(struct server *server, const struct deployment *deployment, char *why,
                              size_t bytes)
{
    struct deployment_status status = {0};
    deployment_manager_status(server->deployments, deployment, &status);
    int64_t running = running_of(deployment->name);
    if (status.phase == PHASE_COMPLETE && running == status.desired && !status.stopping)
        return true;
    snprintf(why, bytes,
             "%s: phase %d %s (%s); desired %lld current %lld ready %lld available %lld stopping "
             "%lld running %lld",
             deployment->name, status.phase, status.reason, status.message,
             (long long)status.desired, (long long)status.current, (long long)status.ready,
             (long long)status.available, (long long)status.stopping, (long long)running);
    return false;
}

bool converged(char *why, size_t bytes)
{
    struct server_process *leader = server_leader();
    const struct deployment *deployment = NULL;
    snprintf(why, bytes, "no server serves");
    if (!server_serves(leader))
        return false;
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        snprintf(why, bytes, "%s is not there", host->name);
        if (!process_runs(&host->process) || host->engine.down || !host->proxy.up ||
            host->unreachable || !node_registry_find(leader->server->nodes, host->name) ||
            node_registry_status(leader->server->nodes, host->name)->state != NODE_READY)
            return false;
    }
    while ((deployment = deployment_manager_next(leader->server->deployments,
                                                 deployment ? deployment->name : NULL)))
        if (!deployment_agrees(leader->server, deployment, why, bytes))
            return false;
    return tables_agree(leader->server, why, bytes);
}

/* Records and containers, one to one; nothing left over; nothing waits. */
void check_settled(void)
{
    struct true_container *record, *next;
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        struct op_counts counts;
        for (struct cell *cell = host->engine.cells; cell; cell = cell->next) {
            record = true_container(cell->record);
            CHECK(I17_OWNER, cell->foreign || (record && !record->gone),
                  "%s: %s has no owner and is still there", host->name, cell->name);
        }
        op_table_counts(host->ops, &counts);
        CHECK(I19_END, counts.open <= 16, "%s: %llu operations are open", host->name,
              (unsigned long long)counts.open);
    }
    HASH_ITER(hh, run.truth.containers, record, next)
    {
        bool runs = false;
        for (uint32_t i = 0; i < world.options.hosts; i++)
            runs = runs || engine_cell_of(&world.hosts[i], record->id);
        CHECK(I22, record->gone || record->failed || runs, "%s does not run", record->id);
        CHECK(I28, record->gone || !record->stopping, "%s stops and stops", record->id);
    }
}
