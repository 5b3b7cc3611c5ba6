/* What users ask for: each command reads the head, makes one transaction and answers when it is
 * durable. */
#include "deployment/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    struct deployment_manager *manager;
    write_done *done;
    void *argument;
    const struct record *planned; /* counted; of a dry run */
    bool created, changed;
    char name[64];
};

static void command_done(void *argument, const struct error *error)
{
    struct command *command = argument;
    const struct deployment *deployment = deployment_manager_find(command->manager, command->name);
    struct write_result result = {.record = command->planned ? command->planned
                                            : deployment     ? &deployment->record
                                                             : NULL,
                                  .created = command->created,
                                  .changed = command->changed};
    command->done(command->argument, error, error ? NULL : &result);
    record_release(command->planned);
    free(command);
}

static void submit(struct deployment_manager *manager, struct txn *txn, const char *name,
                   bool created, write_done *done, void *argument)
{
    struct command *command = memory_alloc(sizeof *command);
    *command = (struct command){.manager = manager,
                                .done = done,
                                .argument = argument,
                                .created = created,
                                .changed = !txn_is_empty(txn)};
    snprintf(command->name, sizeof command->name, "%s", name);
    if (txn_is_dry_run(txn))
        command->planned = record_take_reference(&deployment_head(manager, name)->record);
    txn_submit(txn, command_done, command);
}

struct deployment deployment_edit(const struct deployment *deployment)
{
    struct deployment copy;
    record_copy_fields(&deployment->record, &copy, sizeof copy);
    return copy;
}

/* An identity of what makes a revision: imagePull is no part of it. */
static void revision_hash(const struct container_template *template, char hex[65])
{
    struct container_template copy = *template;
    copy.image_pull = IMAGE_PULL_MISSING;
    schema_hash(&container_template_type, &copy, hex);
}

static bool in_use(struct deployment_manager *manager, const struct deployment *deployment,
                   int64_t number)
{
    const struct container *container = NULL;
    while ((container =
                container_manager_next(manager->config.containers, deployment->name, container)))
        if (container->revision == number)
            return true;
    return number == deployment->revision || number == deployment->complete_revision;
}

static void trim_history(struct deployment_manager *manager, struct txn *txn,
                         const struct deployment *edited)
{
    const struct revision *revision = NULL;
    int64_t count = 0;
    while ((revision =
                deployment_manager_next_revision(manager, edited, revision ? revision->number : 0)))
        count++;
    revision = deployment_manager_next_revision(manager, edited, 0);
    for (; revision && count > edited->revision_history;
         revision = deployment_manager_next_revision(manager, edited, revision->number)) {
        if (!in_use(manager, edited, revision->number)) {
            txn_delete(txn, &revision->record);
            count--;
        }
    }
}

void deployment_new_revision(struct deployment_manager *manager, struct txn *txn,
                             struct deployment *edited, const struct revision *same,
                             const struct rollout_end *end, const char *cause)
{
    static const struct rollout_end replaced = {OUTCOME_REPLACED, "", "another took its place"};
    char hash[65];
    revision_hash(&edited->template, hash);
    if (edited->revision && deployment_is_rolling(edited))
        rollout_end(manager, txn, edited, end ? end : &replaced);
    bool shown = edited->promoted || !edited->hidden;
    edited->promoted = edited->paused_after = same != NULL; /* going back waits for nothing */
    edited->revision = ++edited->last_revision;
    edited->content = same && same->content ? same->content : edited->revision;
    if (edited->rollout.strategy != STRATEGY_BLUE_GREEN || !edited->complete_revision)
        edited->hidden = 0;
    else if (!same && shown)
        edited->hidden = edited->revision;
    edited->revision_since_ms = loop_wall_ms(manager->loop);
    struct revision revision = {.record.created_at_ms = edited->revision_since_ms,
                                .deployment = edited->name,
                                .deployment_uid = edited->record.uid,
                                .number = edited->revision,
                                .template = edited->template,
                                .hash = hash,
                                .content = edited->content,
                                .image_pinned = same ? same->image_pinned : NULL,
                                .image_digest = same ? same->image_digest : NULL,
                                .cause = cause};
    txn_put(txn, record_create(&revision_kind, &revision));
    trim_history(manager, txn, edited);
}

void deployment_put_back(struct deployment_manager *manager, struct txn *txn,
                         struct deployment *edited, const struct revision *target,
                         const struct rollout_end *end, const char *cause)
{
    edited->template = target->template;
    deployment_new_revision(manager, txn, edited, target, end, cause);
}

static void put(struct deployment_manager *manager, struct txn *txn, struct deployment *edited)
{
    edited->record.version++;
    edited->record.updated_at_ms = loop_wall_ms(manager->loop);
    edited->rolled_back_in_force = false;
    edited->rolled_back_from = NULL;
    txn_put(txn, record_create(&deployment_kind, edited));
}

static void note(struct txn *txn, const char *reason, const char *verb, const char *name,
                 const char *message)
{
    char object[96];
    snprintf(object, sizeof object, "deployments/%s", name);
    txn_event(txn, EVENT_NORMAL, reason, object, "%s", message);
    txn_audit(txn, verb, object, message);
}

static void create(struct deployment_manager *manager, const struct deployment *wanted,
                   const struct write_request *request, write_done *done, void *argument)
{
    char uid[ID_UID_BYTES];
    struct deployment edited = deployment_edit(wanted);
    id_make_uid(loop_random_source(manager->loop), uid);
    edited.record.uid = uid;
    edited.record.version = 0;
    edited.record.created_at_ms = loop_wall_ms(manager->loop);
    edited.revision = edited.last_revision = edited.complete_revision = edited.hidden = 0;
    edited.deleting = edited.paused = false;
    struct txn *txn = txn_begin(manager->state, request->origin);
    deployment_new_revision(manager, txn, &edited, NULL, NULL, "created");
    put(manager, txn, &edited);
    note(txn, "Created", "create", edited.name, "declared");
    submit(manager, txn, edited.name, true, done, argument);
}

/* What users declare comes from `wanted`, the rest from what is there. */
static struct deployment merge(const struct deployment *existing, const struct deployment *wanted,
                               bool replicas_given)
{
    struct deployment edited = deployment_edit(existing);
    edited.namespace_name = wanted->namespace_name;
    edited.labels = wanted->labels;
    edited.annotations = wanted->annotations;
    edited.replicas = replicas_given ? wanted->replicas : existing->replicas;
    edited.template = wanted->template;
    edited.rollout = wanted->rollout;
    if (wanted->rollout.strategy != STRATEGY_BLUE_GREEN)
        edited.hidden = 0;
    edited.placement = wanted->placement;
    edited.revision_history = wanted->revision_history;
    return edited;
}

static void replace(struct deployment_manager *manager, const struct deployment *existing,
                    struct deployment *edited, const struct write_request *request,
                    const char *verb, write_done *done, void *argument)
{
    char before[65], after[65], message[96] = "changed";
    struct txn *txn = txn_begin(manager->state, request->origin);
    if (!schema_equal(&deployment_type, existing, edited)) {
        revision_hash(&existing->template, before);
        revision_hash(&edited->template, after);
        if (strcmp(before, after) != 0) {
            deployment_new_revision(manager, txn, edited, NULL, NULL, "updated");
            snprintf(message, sizeof message, "changed: revision %lld begins to roll out",
                     (long long)edited->revision);
        } else if (existing->replicas != edited->replicas) {
            snprintf(message, sizeof message, "scaled from %lld to %lld replicas",
                     (long long)existing->replicas, (long long)edited->replicas);
        }
        put(manager, txn, edited);
        note(txn,
             existing->replicas != edited->replicas && strcmp(before, after) == 0 ? "Scaled"
                                                                                  : "Updated",
             verb, edited->name, message);
    }
    submit(manager, txn, edited->name, false, done, argument);
}

/* The head version that a command may change; NULL with `error`. */
static const struct deployment *find_for_change(struct deployment_manager *manager,
                                                const char *name,
                                                const struct write_request *request,
                                                struct error *error)
{
    const struct deployment *existing = deployment_head(manager, name);
    if (!state_ready(manager->state, error))
        return NULL;
    if (!existing) {
        error_set(error, ERROR_NOT_FOUND, "there is no deployment \"%s\"", name);
        return NULL;
    }
    if (existing->deleting) {
        error_set(error, ERROR_INVALID_STATE,
                  "deployment \"%s\" is being deleted; wait until it is gone", name);
        return NULL;
    }
    return write_check_preconditions(request, &existing->record, error) ? existing : NULL;
}

bool deployment_manager_write(struct deployment_manager *manager, enum write_mode mode,
                              const struct deployment *wanted, bool replicas_given,
                              const struct write_request *request, write_done *done, void *argument,
                              struct error *error)
{
    const struct deployment *existing = deployment_head(manager, wanted->name);
    if (!state_ready(manager->state, error))
        return false;
    if (wanted->placement.scheduler &&
        !scheduler_has(manager->config.scheduler, wanted->placement.scheduler))
        return error_set(error, ERROR_VALIDATION,
                         "placement.scheduler: no scheduler \"%s\" is loaded; GET /api/v1/plugins "
                         "lists those that are",
                         wanted->placement.scheduler);
    if (existing && mode == WRITE_CREATE && !existing->deleting)
        return error_set(error, ERROR_ALREADY_EXISTS, "deployment \"%s\" exists; PUT replaces it",
                         wanted->name);
    if (!existing) {
        if (!write_check_preconditions(request, NULL, error))
            return false;
        create(manager, wanted, request, done, argument);
        return true;
    }
    existing = find_for_change(manager, wanted->name, request, error);
    if (!existing)
        return false;
    if (existing->mode != wanted->mode)
        return error_set(error, ERROR_VALIDATION,
                         "mode: can't be changed; delete the deployment and make it anew");
    struct deployment edited = merge(existing, wanted, replicas_given);
    replace(manager, existing, &edited, request, "replace", done, argument);
    return true;
}

bool deployment_manager_scale(struct deployment_manager *manager, const char *name,
                              int64_t replicas, const struct write_request *request,
                              write_done *done, void *argument, struct error *error)
{
    const struct deployment *existing = find_for_change(manager, name, request, error);
    if (!existing)
        return false;
    if (existing->mode == MODE_GLOBAL)
        return error_set(error, ERROR_INVALID_STATE,
                         "deployment \"%s\" is global: it has one replica on each node", name);
    struct deployment edited = deployment_edit(existing);
    edited.replicas = replicas;
    replace(manager, existing, &edited, request, "scale", done, argument);
    return true;
}

bool deployment_manager_restart(struct deployment_manager *manager, const char *name,
                                const struct write_request *request, write_done *done,
                                void *argument, struct error *error)
{
    const struct deployment *existing = find_for_change(manager, name, request, error);
    if (!existing)
        return false;
    struct deployment edited = deployment_edit(existing);
    struct txn *txn = txn_begin(manager->state, request->origin);
    deployment_new_revision(manager, txn, &edited, NULL, NULL, "restart");
    put(manager, txn, &edited);
    note(txn, "Restarted", "restart", name, "every replica is replaced");
    submit(manager, txn, name, false, done, argument);
    return true;
}

bool deployment_manager_set_paused(struct deployment_manager *manager, const char *name,
                                   bool paused, const struct write_request *request,
                                   write_done *done, void *argument, struct error *error)
{
    const struct deployment *existing = find_for_change(manager, name, request, error);
    if (!existing)
        return false;
    struct txn *txn = txn_begin(manager->state, request->origin);
    if (existing->paused != paused) {
        struct deployment edited = deployment_edit(existing);
        edited.paused = paused;
        edited.record.version++;
        edited.record.updated_at_ms = loop_wall_ms(manager->loop);
        txn_put(txn, record_create(&deployment_kind, &edited));
        note(txn, paused ? "Paused" : "Resumed", paused ? "pause" : "resume", name,
             paused ? "replicas are not replaced until it is resumed" : "its rollout goes on");
    }
    submit(manager, txn, name, false, done, argument);
    return true;
}

bool deployment_manager_rollback(struct deployment_manager *manager, const char *name,
                                 int64_t revision, const struct write_request *request,
                                 write_done *done, void *argument, struct error *error)
{
    const struct deployment *existing = find_for_change(manager, name, request, error);
    char cause[48];
    if (!existing)
        return false;
    const struct revision *target =
        revision ? deployment_manager_revision(manager, existing, revision)
                 : deployment_manager_revision_before(manager, existing, existing->revision);
    if (!target && revision)
        return error_set(error, ERROR_NOT_FOUND, "deployment \"%s\" has no revision %lld", name,
                         (long long)revision);
    if (!target)
        return error_set(error, ERROR_INVALID_STATE,
                         "deployment \"%s\" has no revision before %lld", name,
                         (long long)existing->revision);
    struct deployment edited = deployment_edit(existing);
    snprintf(cause, sizeof cause, "rollback to %lld", (long long)target->number);
    struct txn *txn = txn_begin(manager->state, request->origin);
    deployment_put_back(manager, txn, &edited, target, NULL, cause);
    put(manager, txn, &edited);
    note(txn, "RolledBack", "rollback", name, cause);
    submit(manager, txn, name, false, done, argument);
    return true;
}

/* Why there is nothing to abort; true: there is. */
static bool may_abort(const struct deployment *deployment, const struct revision *last,
                      struct error *error)
{
    if (!deployment_is_rolling(deployment))
        return error_set(error, ERROR_INVALID_STATE, "deployment \"%s\" has no rollout under way",
                         deployment->name);
    if (deployment->rolled_back_in_force)
        return error_set(error, ERROR_INVALID_STATE,
                         "deployment \"%s\" is being rolled back already", deployment->name);
    if (!last)
        return error_set(
            error, ERROR_INVALID_STATE,
            "no revision of deployment \"%s\" was complete yet: there is nothing to go "
            "back to",
            deployment->name);
    return true;
}

bool deployment_manager_abort(struct deployment_manager *manager, const char *name,
                              const struct write_request *request, write_done *done, void *argument,
                              struct error *error)
{
    const struct deployment *existing = find_for_change(manager, name, request, error);
    char cause[64];
    if (!existing)
        return false;
    const struct revision *last =
        deployment_manager_revision(manager, existing, existing->complete_revision);
    if (!may_abort(existing, last, error))
        return false;
    struct deployment edited = deployment_edit(existing);
    edited.paused = false; /* what it had made already goes */
    snprintf(cause, sizeof cause, "abort of %lld, back to %lld", (long long)existing->revision,
             (long long)last->number);
    struct txn *txn = txn_begin(manager->state, request->origin);
    const struct rollout_end end = {OUTCOME_ABORTED, "", "it was aborted by request"};
    deployment_put_back(manager, txn, &edited, last, &end, cause);
    put(manager, txn, &edited);
    note(txn, "RolloutAborted", "abort", name, cause);
    submit(manager, txn, name, false, done, argument);
    return true;
}

bool deployment_manager_promote(struct deployment_manager *manager, const char *name,
                                const struct write_request *request, write_done *done,
                                void *argument, struct error *error)
{
    const struct deployment *existing = find_for_change(manager, name, request, error);
    if (!existing)
        return false;
    if (!strategy_awaits_promotion(existing))
        return error_set(error, ERROR_INVALID_STATE,
                         "deployment \"%s\" has no canary or blue-green rollout that waits for its "
                         "promotion",
                         name);
    struct deployment edited = deployment_edit(existing);
    rollout_promote(&edited);
    edited.record.version++;
    edited.record.updated_at_ms = loop_wall_ms(manager->loop);
    struct txn *txn = txn_begin(manager->state, request->origin);
    txn_put(txn, record_create(&deployment_kind, &edited));
    note(txn, "Promoted", "promote", name, "its rollout goes on to all replicas");
    submit(manager, txn, name, false, done, argument);
    return true;
}

bool deployment_manager_delete(struct deployment_manager *manager, const char *name,
                               const struct write_request *request, write_done *done,
                               void *argument, struct error *error)
{
    const struct deployment *existing = deployment_head(manager, name);
    if (!state_ready(manager->state, error))
        return false;
    if (!existing)
        return error_set(error, ERROR_NOT_FOUND, "there is no deployment \"%s\"", name);
    if (!write_check_preconditions(request, &existing->record, error))
        return false;
    struct txn *txn = txn_begin(manager->state, request->origin);
    if (!existing->deleting) {
        struct deployment edited = deployment_edit(existing);
        edited.deleting = true;
        edited.record.version++;
        edited.record.updated_at_ms = loop_wall_ms(manager->loop);
        txn_put(txn, record_create(&deployment_kind, &edited));
        note(txn, "Deleting", "delete", name, "its containers drain and stop");
    }
    submit(manager, txn, name, false, done, argument);
    return true;
}
