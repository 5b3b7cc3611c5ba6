/* What a transaction makes durable, read back as it was written, and judged by itself: versions,
 * revisions, numbers. */
#include "truth.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void note_public(const struct true_deployment *deployment)
{
    struct true_container *container, *next;
    HASH_ITER(hh, run.truth.containers, container, next)
    {
        if (strcmp(container->deployment, deployment->name) == 0 && !container->gone &&
            !truth_hides(deployment, container))
            container->was_public = true;
    }
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
    bool other_way = seen->strategy != deployment->rollout.strategy ||
                     seen->canary.value != deployment->rollout.canary.replicas.value;
    if (other_way && seen->revision == deployment->revision)
        seen->strategy_ns = now_ns();
    seen->strategy = deployment->rollout.strategy;
    seen->canary = deployment->rollout.canary.replicas;
    seen->promoted = deployment->promoted;
    seen->complete_revision = deployment->complete_revision;
    seen->content = deployment->content;
    seen->hidden = deployment->hidden;
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
    note_public(seen);
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
    seen->content = container->content;
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
    struct true_deployment *deployment = true_deployment(seen->deployment);
    seen->was_public = seen->was_public || (deployment && !truth_hides(deployment, seen));
    if (fresh)
        judge_new(seen);
    if (stops && strcmp(seen->stop_reason, "ScaledDown") == 0 && truth_one_decides())
        judge_scaled_down(seen);
    if (replaced && deployment && !container->failed) {
        if (truth_one_decides()) {
            judge_replaced(seen);
            judge_step_kept(seen);
        }
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
