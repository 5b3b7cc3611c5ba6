/* What became durable, kept beside the server's own state and judged as it comes. */
#include "node/messages.h"
#include "judge.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A slow store and a busy loop may lie between what a controller saw and what became durable. */
#define DECISION_NS (20 * NS_PER_SECOND)

void truth_init(void)
{
    memset(&run.truth, 0, sizeof run.truth);
}

struct true_container *true_container(const char *id)
{
    struct true_container *container = NULL;
    HASH_FIND_STR(run.truth.containers, id, container);
    return container;
}

struct true_deployment *true_deployment(const char *name)
{
    struct true_deployment *deployment = NULL;
    HASH_FIND_STR(run.truth.deployments, name, deployment);
    return deployment;
}

/* -- deployments -- */

/* The most that was desired while what is decided now may have been decided. */
static int64_t most_desired(const struct true_deployment *deployment)
{
    int64_t most = deployment->replicas;
    for (uint32_t i = 0; i < deployment->desired_count; i++)
        if (deployment->desired[i].until_ns + DECISION_NS > now_ns() &&
            deployment->desired[i].value > most)
            most = deployment->desired[i].value;
    return most;
}

static int64_t least_desired(const struct true_deployment *deployment)
{
    int64_t least = deployment->replicas;
    for (uint32_t i = 0; i < deployment->desired_count; i++)
        if (deployment->desired[i].until_ns + DECISION_NS > now_ns() &&
            deployment->desired[i].value < least)
            least = deployment->desired[i].value;
    return least;
}

static void note_desired(struct true_deployment *deployment, int64_t replicas)
{
    if (deployment->replicas == replicas)
        return;
    if (deployment->desired_count == DESIRED_LIMIT)
        memmove(deployment->desired, deployment->desired + 1,
                --deployment->desired_count * sizeof deployment->desired[0]);
    deployment->desired[deployment->desired_count].value = deployment->replicas;
    deployment->desired[deployment->desired_count++].until_ns = now_ns();
    deployment->replicas = replicas;
}

static uint64_t fingerprint(const struct deployment *deployment)
{
    CLEANUP(text_finish) struct text text = {0};
    schema_write(&deployment_type, deployment, SCHEMA_DECLARED, &text);
    return hash_text(text_string(&text));
}

static bool has_host_port(const struct deployment *deployment)
{
    for (uint32_t i = 0; i < deployment->template.ports.count; i++)
        if (LIST_AT(deployment->template.ports, struct container_port, i)->host_port != NUMBER_NULL)
            return true;
    return false;
}

static void begin_deployment(struct true_deployment *seen, const struct deployment *deployment)
{
    UT_hash_handle hh = seen->hh;
    *seen = (struct true_deployment){.hh = hh, .replicas = deployment->replicas};
    snprintf(seen->name, sizeof seen->name, "%s", deployment->name);
    snprintf(seen->uid, sizeof seen->uid, "%s", deployment->record.uid);
}

static void judge_deployment(const struct true_deployment *seen,
                             const struct deployment *deployment, uint64_t print)
{
    CHECK(I4_VERSION, deployment->record.version >= seen->version, "%s: version %llu after %llu",
          seen->name, (unsigned long long)deployment->record.version,
          (unsigned long long)seen->version);
    CHECK(I4_VERSION, deployment->record.version != seen->version || print == seen->fingerprint,
          "%s: two contents of version %llu", seen->name, (unsigned long long)seen->version);
    CHECK(I4_REVISION,
          deployment->last_revision >= seen->last_revision &&
              deployment->revision <= deployment->last_revision,
          "%s: revision %lld of %lld after %lld", seen->name, (long long)deployment->revision,
          (long long)deployment->last_revision, (long long)seen->last_revision);
}

static void put_deployment(const struct deployment *deployment)
{
    struct true_deployment *seen = true_deployment(deployment->name);
    uint64_t print = fingerprint(deployment);
    const char *operation = map_get(&deployment->labels, "operation");
    if (!seen) {
        seen = memory_alloc(sizeof *seen);
        begin_deployment(seen, deployment);
        HASH_ADD_STR(run.truth.deployments, name, seen);
    } else if (seen->gone || strcmp(seen->uid, deployment->record.uid) != 0) {
        begin_deployment(seen, deployment);
    } else {
        judge_deployment(seen, deployment, print);
    }
    if (operation)
        users_check_content(operation);
    if (deployment->paused && !seen->paused)
        seen->paused_ns = now_ns();
    if (deployment->deleting && !seen->deleting)
        seen->deleting_ns = now_ns();
    note_desired(seen, deployment->replicas);
    seen->version = deployment->record.version;
    seen->fingerprint = print;
    seen->revision = deployment->revision;
    seen->last_revision = deployment->last_revision;
    seen->surge = deployment->rollout.strategy == STRATEGY_BLUE_GREEN
                      ? (struct amount){100, true}
                      : deployment->rollout.max_surge;
    seen->unavailable = deployment->rollout.strategy == STRATEGY_RECREATE
                            ? (struct amount){100, true}
                            : deployment->rollout.max_unavailable;
    seen->deleting = deployment->deleting;
    seen->paused = deployment->paused;
    seen->global = deployment->mode == MODE_GLOBAL;
    seen->fixed_port = has_host_port(deployment);
}

static void put_revision(const struct revision *revision)
{
    struct true_deployment *seen = true_deployment(revision->deployment);
    if (!seen || revision->number >= REVISION_LIMIT ||
        strcmp(seen->uid, revision->deployment_uid) != 0)
        return; /* made in one transaction with its deployment, in either order */
    uint64_t hash = hash_text(revision->hash);
    struct true_revision *known = &seen->revisions[revision->number];
    CHECK(I4_REVISION, !known->hash || known->hash == hash,
          "%s: revision %lld has another template", seen->name, (long long)revision->number);
    known->hash = hash;
    known->cpu_millis = revision->template.resources.cpu_millis;
    known->memory_bytes = revision->template.resources.memory_bytes;
    known->has_liveness = revision->template.liveness_probe || revision->template.startup_probe;
}

/* -- containers -- */

/* While two servers run, what one of them heard is not what the other decides by. */
static bool one_decides(void)
{
    return run.truth.writer == server_leader() && server_leader()->opened;
}

static bool is_lost(const struct true_container *container)
{
    return container->lost_seen_ns && container->lost_seen_ns + DECISION_NS > now_ns();
}

static bool node_is_away(const char *name)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, name) == 0)
            return now_ns() - world.hosts[i].heard_ns >= (LOST_MS - 2000) * NS_PER_MS;
    return true;
}

/* Its containers are to move, and their slots are free for those that take their place. */
static bool node_was_draining(const char *name)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, name) == 0 && world.hosts[i].draining_seen_ns)
            return world.hosts[i].draining_seen_ns + DECISION_NS > now_ns();
    return false;
}

static bool counts(const struct true_container *container)
{
    /* Its node's word that it failed for good ends it, also while the store takes nothing. */
    bool failed = container->failed || container->said_failed;
    return !container->gone && !container->stopping && !failed && !is_lost(container) &&
           !node_is_away(container->node);
}

static void judge_slot(const struct true_container *fresh)
{
    struct true_container *other, *next;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        bool same = other != fresh && strcmp(other->deployment, fresh->deployment) == 0 &&
                    other->slot == fresh->slot && other->revision == fresh->revision;
        CHECK(I2, !same || !counts(other) || node_was_draining(other->node),
              "%s is made beside %s, which is wanted and not lost", fresh->id, other->id);
    }
}

static void judge_surge(const struct true_container *fresh)
{
    struct true_deployment *deployment = true_deployment(fresh->deployment);
    struct true_container *other, *next;
    int64_t current = 0;
    if (!deployment || deployment->global)
        return;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        current += counts(other) && strcmp(other->deployment, fresh->deployment) == 0;
    }
    int64_t desired = most_desired(deployment);
    int64_t surge = amount_of(deployment->surge, desired, true);
    CHECK(I12_SURGE, current <= desired + surge, "%s: %lld current, %lld desired, surge %lld",
          deployment->name, (long long)current, (long long)desired, (long long)surge);
}

static void judge_room(const struct true_container *fresh)
{
    struct true_container *other, *next;
    int64_t cpu = 0, memory = 0;
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        if (other->gone || other->failed || strcmp(other->node, fresh->node) != 0)
            continue;
        cpu += other->cpu_millis;
        memory += other->memory_bytes;
        for (uint32_t i = 0; other != fresh && i < other->port_count; i++)
            for (uint32_t j = 0; j < fresh->port_count; j++)
                CHECK(I11_PORT, other->ports[i] != fresh->ports[j], "port %lld of %s and %s",
                      (long long)fresh->ports[j], other->id, fresh->id);
    }
    CHECK(I10, cpu <= 4000 && memory <= INT64_C(8) << 30, "%s has %lld mCPU and %lld bytes",
          fresh->node, (long long)cpu, (long long)memory);
}

/* In the tables of all proxies that must count; else the name of a host without it. */
static const char *missing_on(const struct true_container *container)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        if (host_is_steady_since(host, now_ns() - 2 * NS_PER_SECOND) &&
            !proxy_endpoint(host, NULL, container->id))
            return host->name;
    }
    return NULL;
}

static bool has_service(const char *deployment)
{
    struct service_manager *services = run.truth.writer->server->services;
    const struct service *service = NULL;
    while ((service = service_manager_next(services, service ? service->name : NULL)))
        if (strcmp(service->deployment, deployment) == 0)
            return true;
    return false;
}

/* A service that was given to another deployment leaves endpoints of this one in tables that have
 * yet to be replaced: nobody waits for those. */
static bool is_served(const char *deployment)
{
    if (!has_service(deployment))
        return false;
    for (uint32_t i = 0; i < world.options.hosts; i++)
        for (uint32_t s = 0; s < world.hosts[i].proxy.now.count; s++) {
            const struct proxy_table_service *service = &world.hosts[i].proxy.now.services[s];
            for (uint32_t e = 0; e < service->count; e++) {
                struct true_container *container = true_container(service->endpoints[e].id);
                if (container && strcmp(container->deployment, deployment) == 0)
                    return true;
            }
        }
    return false;
}

/* Has its readiness been known long enough to be what was decided on? */
static bool was_ready(const struct true_container *container)
{
    return container->ready && now_ns() - container->ready_changed_ns > DECISION_NS / 2;
}

static bool may_have_been_ready(const struct true_container *container)
{
    return container->ready ||
           (container->ready_changed_ns && now_ns() - container->ready_changed_ns < DECISION_NS);
}

/* Nobody is sent to a node whose connection is gone: what it had is worth nothing to a rollout. */
static bool is_suspect(const char *node)
{
    return node_registry_status(run.truth.writer->server->nodes, node)->state != NODE_READY;
}

/* An old one that serves may go in a rollout only when enough others serve: said to be ready, and
 * in the tables of all proxies that count. */
static void judge_replaced(const struct true_container *victim)
{
    struct true_deployment *deployment = true_deployment(victim->deployment);
    struct true_container *other, *next;
    int64_t serving = 0;
    char missing[120] = "";
    if (!deployment || deployment->global || deployment->fixed_port || !was_ready(victim) ||
        is_lost(victim) || node_is_away(victim->node) || is_suspect(victim->node))
        return;
    bool served = is_served(victim->deployment);
    HASH_ITER(hh, run.truth.containers, other, next)
    {
        if (other == victim || other->gone || other->stopping || other->failed ||
            strcmp(other->deployment, victim->deployment) != 0)
            continue;
        const char *without = served ? missing_on(other) : NULL;
        bool good = may_have_been_ready(other) && !without;
        serving += good;
        if (!good)
            snprintf(missing, sizeof missing, "not %s (%s%s)", other->id,
                     without ? "not in the table of " : "not ready", without ? without : "");
    }
    int64_t desired = least_desired(deployment);
    int64_t least = desired - amount_of(deployment->unavailable, desired, false);
    CHECK(I12_UNAVAILABLE, serving >= least, "%s goes: %lld others serve, %lld must; %s",
          victim->id, (long long)serving, (long long)least, missing);
}

static void set_ready(struct true_container *container, bool ready)
{
    if (container->ready == ready)
        return;
    container->ready = ready;
    container->ready_changed_ns = now_ns();
}

static bool names(const struct report *report, const char *id)
{
    for (uint32_t i = 0; i < report->containers.count; i++)
        if (strcmp(LIST_AT(report->containers, struct reported_container, i)->id, id) == 0)
            return true;
    return false;
}

void truth_report(const char *node, const struct report *report)
{
    struct true_container *container, *next;
    for (uint32_t i = 0; i < report->containers.count; i++) {
        const struct reported_container *said =
            LIST_AT(report->containers, struct reported_container, i);
        container = true_container(said->id);
        if (!container || strcmp(container->node, node) != 0)
            continue;
        set_ready(container, said->ready);
        container->said_failed = said->state == CONTAINER_FAILED;
    }
    for (uint32_t i = 0; i < report->gone.count; i++) {
        container = true_container(*LIST_AT(report->gone, const char *, i));
        if (container && strcmp(container->node, node) == 0)
            set_ready(container, false);
    }
    HASH_ITER(hh, run.truth.containers, container, next)
    {
        if (report->full && strcmp(container->node, node) == 0 && !names(report, container->id))
            set_ready(container, false);
    }
}

/* A node that says its engine is away gets nothing new. */
static void judge_engine(const struct true_container *fresh)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        const struct host *host = &world.hosts[i];
        if (strcmp(host->name, fresh->node) != 0)
            continue;
        bool told = host->engine.down && host->steady_since_ns &&
                    now_ns() - host->engine.down_since_ns > DECISION_NS &&
                    now_ns() - host->steady_since_ns > DECISION_NS;
        CHECK(I9, !told, "%s is placed on %s, whose engine is away", fresh->id, host->name);
    }
}

static void judge_new(const struct true_container *fresh)
{
    struct true_deployment *deployment = true_deployment(fresh->deployment);
    CHECK(I13_DELETED, deployment && !deployment->gone && !deployment->deleting,
          "%s is made for a deployment that is going", fresh->id);
    judge_slot(fresh);
    judge_surge(fresh);
    judge_room(fresh);
    if (!one_decides())
        return;
    judge_engine(fresh);
    uint32_t silent = 0;
    for (uint32_t i = 0; i < world.options.hosts; i++)
        silent += host_silence_ns(&world.hosts[i]) >= (LOST_MS - 2000) * NS_PER_MS;
    CHECK(I8, silent < world.options.hosts || !silent, "%s is made while no node is heard of",
          fresh->id);
}

/* By what became durable: two servers that run at once may know two deployments of one name. */
static void read_template(struct true_container *seen, const struct container *container)
{
    const struct true_deployment *deployment = true_deployment(container->deployment);
    if (deployment && container->revision < REVISION_LIMIT) {
        const struct true_revision *revision = &deployment->revisions[container->revision];
        seen->cpu_millis = revision->cpu_millis;
        seen->memory_bytes = revision->memory_bytes;
        seen->has_liveness = revision->has_liveness;
    }
    for (uint32_t i = 0; i < container->ports.count && seen->port_count < 4; i++)
        if (LIST_AT(container->ports, struct container_port, i)->host_port > 0)
            seen->ports[seen->port_count++] =
                LIST_AT(container->ports, struct container_port, i)->host_port;
}

static struct true_container *begin_container(const struct container *container)
{
    struct true_container *seen = memory_alloc(sizeof *seen);
    snprintf(seen->id, sizeof seen->id, "%s", container->id);
    snprintf(seen->deployment, sizeof seen->deployment, "%s", container->deployment);
    snprintf(seen->node, sizeof seen->node, "%s", container->node);
    seen->slot = container->slot;
    seen->revision = container->revision;
    seen->created_ns = now_ns();
    read_template(seen, container);
    HASH_ADD_STR(run.truth.containers, id, seen);
    return seen;
}

static void put_container(const struct container *container)
{
    struct true_container *seen = true_container(container->id);
    bool fresh = !seen;
    if (fresh)
        seen = begin_container(container);
    bool stops = container->intent == INTENT_STOP && !seen->stopping;
    bool replaced =
        stops && container->stop_reason && strcmp(container->stop_reason, "Replaced") == 0;
    CHECK(I4_REVISION, fresh || container->incarnation >= seen->incarnation,
          "%s: incarnation %lld after %lld", seen->id, (long long)container->incarnation,
          (long long)seen->incarnation);
    if (!fresh && container->incarnation > seen->incarnation &&
        container->restarts == seen->restarts)
        seen->asked_ns = now_ns();
    seen->incarnation = container->incarnation;
    seen->restarts = container->restarts;
    seen->failed = container->failed;
    if (stops) {
        seen->stopping = true;
        seen->stopping_ns = now_ns();
        snprintf(seen->stop_reason, sizeof seen->stop_reason, "%s",
                 container->stop_reason ? container->stop_reason : "");
    }
    if (fresh)
        judge_new(seen);
    struct true_deployment *deployment = true_deployment(seen->deployment);
    if (replaced && deployment && !container->failed) {
        if (one_decides())
            judge_replaced(seen);
        CHECK(I13_PAUSED,
              !deployment->paused || seen->revision == deployment->revision ||
                  now_ns() - deployment->paused_ns < DECISION_NS,
              "%s is replaced while its deployment is paused", seen->id);
    }
}

/* "container/<deployment>/<slot>/<id>": the last part. */
static void delete_container(const char *key)
{
    const char *id = strrchr(key, '/') ? strrchr(key, '/') + 1 : key;
    struct true_container *seen = true_container(id);
    struct server_process *leader = server_leader();
    if (!seen)
        return;
    seen->gone = true;
    seen->gone_ns = now_ns();
    bool known =
        leader->server && leader->opened && node_registry_find(leader->server->nodes, seen->node);
    struct cell *cell = NULL;
    for (uint32_t i = 0; i < world.options.hosts && !cell; i++)
        cell = engine_cell_of(&world.hosts[i], id);
    CHECK(I18_RECORD, !cell || !known, "the record of %s goes and %s runs on", id,
          cell ? cell->name : "");
}

static void delete_deployment(const char *key)
{
    const char *name = strchr(key, '/') + 1;
    struct true_deployment *seen = true_deployment(name);
    if (seen)
        seen->gone = true;
}

/* Registered anew it is heard of only once it has connected anew. */
static void delete_node(const char *key)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, strchr(key, '/') + 1) == 0)
            world.hosts[i].was_lost = true;
}

static void put_node(const struct node *node)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (strcmp(world.hosts[i].name, node->name) == 0 && node->draining)
            world.hosts[i].draining_seen_ns = now_ns();
}

/* -- one transaction -- */

static void take_put(const char *key, struct orch_str value)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    static const struct {
        const struct record_kind *kind;
    } kinds[] = {{&deployment_kind}, {&container_kind}, {&audit_kind},
                 {&meta_kind},       {&revision_kind},  {&node_kind}};
    union {
        struct deployment deployment;
        struct container container;
        struct revision revision;
        struct audit audit;
        struct meta meta;
        struct node node;
    } record;
    struct error error;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct record_kind *kind = kinds[i].kind;
        if (!text_starts_with(key, kind->prefix))
            continue;
        memset(&record, 0, sizeof record);
        if (!schema_read_stored(kind->type, value.ptr, value.len, &arena, &record, &error))
            check_failed(INVARIANT_I4_SEQ, "%s can't be read back: %s", key, error.message);
        switch (i) {
        case 0:
            put_deployment(&record.deployment);
            return;
        case 1:
            put_container(&record.container);
            return;
        case 2:
            users_audit(record.audit.by, record.audit.verb, record.audit.object);
            return;
        case 3:
            CHECK(I4_SEQ, (uint64_t)record.meta.fence >= run.truth.fence, "the fence went back");
            run.truth.fence = (uint64_t)record.meta.fence;
            return;
        case 4:
            put_revision(&record.revision);
            return;
        case 5:
            put_node(&record.node);
            return;
        default:
            return;
        }
    }
}

/* Deletions first: what is made may take their place. Then deployments before containers, as the
 * order of keys has it no other way ("container" comes before "deployment"). */
static bool is_of_pass(const char *key, uint32_t kind, int pass)
{
    bool container = text_starts_with(key, container_kind.prefix);
    bool revision = text_starts_with(key, revision_kind.prefix);
    if (kind == ORCH_STORE_DELETE)
        return pass == 0;
    return pass == (container ? 3 : revision ? 2 : 1);
}

void truth_apply(struct server_process *server, const struct orch_store_txn *txn)
{
    char key[300];
    run.truth.writer = server;
    trace('S', "%s %llu -> %llu", server->process.name, (unsigned long long)txn->expected_head,
          (unsigned long long)txn->new_head);
    CHECK(I4_SEQ, txn->new_head > run.truth.head && txn->expected_head == run.truth.head,
          "head %llu after %llu", (unsigned long long)txn->new_head,
          (unsigned long long)run.truth.head);
    run.truth.head = txn->new_head;
    for (int pass = 0; pass < 4; pass++)
        for (uint32_t i = 0; i < txn->ops.count; i++) {
            const struct orch_store_op *op = ORCH_AT(struct orch_store_op, txn->ops, i);
            snprintf(key, sizeof key, "%.*s", (int)op->key.len, op->key.ptr);
            if (!is_of_pass(key, op->kind, pass))
                continue;
            trace_bytes(op->kind == ORCH_STORE_PUT ? 's' : 'd', key, op->value.ptr, op->value.len);
            if (op->kind == ORCH_STORE_PUT)
                take_put(key, op->value);
            else if (text_starts_with(key, container_kind.prefix))
                delete_container(key);
            else if (text_starts_with(key, deployment_kind.prefix))
                delete_deployment(key);
            else if (text_starts_with(key, node_kind.prefix))
                delete_node(key);
        }
}
