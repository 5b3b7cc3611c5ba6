/* How a rollout goes and ends: progress, completion, automatic rollback. */
#include "base/failpoint.h"
#include "deployment/impl.h"

#include <stdio.h>
#include <string.h>

void rollout_follow(struct deployment_manager *manager, struct track *track,
                    const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    bool other =
        track->seen_revision != deployment->revision || track->seen_desired != census->desired;
    if (other || census->counts.updated_available > track->best_available) {
        track->best_available = census->counts.updated_available;
        track->progressed_ns = loop_now_ns(manager->loop);
        track->progressed_at_ms = loop_wall_ms(manager->loop);
        track->deadline_passed = false;
    }
    if (track->seen_revision != deployment->revision) {
        track->stop_first = false;
        images_forget(track);
    }
    track->seen_revision = deployment->revision;
    track->seen_desired = census->desired;
    bool waiting = census->counts.updated_available < census->desired ||
                   census->counts.current != census->counts.updated;
    if (!waiting) {
        track->deadline_passed = false;
        track->settled_desired = census->desired;
    } else if (!deployment->paused && loop_now_ns(manager->loop) - track->progressed_ns >=
                                          deployment->rollout.progress_deadline_ns)
        track->deadline_passed = true;
}

void rollout_note_complete(struct deployment_manager *manager, struct txn *txn,
                           const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    char object[96];
    if (deployment_head(manager, deployment->name) != deployment)
        return; /* a user's change is on its way: it is not written over */
    if (census->desired != census->counts.current || census->desired != census->counts.updated ||
        census->desired != census->counts.available || census->counts.unproven ||
        deployment->complete_revision == deployment->revision)
        return;
    struct deployment edited = deployment_edit(deployment);
    edited.complete_revision = deployment->revision;
    txn_put(txn, record_create(&deployment_kind, &edited));
    snprintf(object, sizeof object, "deployments/%s", deployment->name);
    txn_event(txn, EVENT_NORMAL, "RolloutComplete", object,
              "revision %lld is complete: %lld of %lld available", (long long)deployment->revision,
              (long long)census->counts.available, (long long)census->desired);
}

/* -- has it failed? -- */

struct verdict {
    const char *reason;
    char message[200];
};

static bool old_ones_are_fine(const struct census *census)
{
    int64_t old = census->counts.current - census->counts.updated;
    return !old || census->counts.available > census->counts.updated_available;
}

static bool replicas_fail(struct deployment_manager *manager, const struct track *track,
                          const struct census *census, struct verdict *out)
{
    struct container_manager *containers = manager->config.containers;
    const struct container *container = container_manager_find(containers, track->failing_id);
    if (!census->counts.failing || !old_ones_are_fine(census))
        return false;
    const struct container_end *end = container && container->ends.count
                                          ? LIST_AT(container->ends, struct container_end, 0)
                                          : NULL;
    const char *reason = container ? container_manager_brief(containers, container).reason : "";
    out->reason = *reason ? reason : "CrashLoop";
    if (container && container_manager_brief(containers, container).start_failures)
        snprintf(out->message, sizeof out->message, "%s could not be started: %.120s",
                 container->id, container_manager_status(containers, container)->message);
    else
        snprintf(out->message, sizeof out->message, "%s ended %lld times, last by %s",
                 track->failing_id, container ? (long long)container->restarts : 0LL,
                 end && end->reason ? end->reason : "itself");
    return true;
}

static bool has_failed(struct deployment_manager *manager, const struct track *track,
                       const struct census *census, struct verdict *out)
{
    if (track->refusals >= ROLLOUT_TRIES) {
        out->reason = "ImagePullFailed";
        snprintf(out->message, sizeof out->message, "%s", track->refusal);
        return true;
    }
    if (replicas_fail(manager, track, census, out))
        return true;
    out->reason = census->waiting_reason[0] ? census->waiting_reason : "ProgressDeadlineExceeded";
    snprintf(out->message, sizeof out->message, "it made no progress within progressDeadline");
    return track->deadline_passed;
}

static const struct revision *last_complete(struct deployment_manager *manager,
                                            const struct deployment *deployment)
{
    const struct revision *last =
        deployment->complete_revision && deployment_is_rolling(deployment)
            ? deployment_manager_revision(manager, deployment, deployment->complete_revision)
            : NULL;
    bool same = last && last->content && last->content == deployment->content;
    return same ? NULL : last;
}

bool rollout_roll_back(struct deployment_manager *manager, struct track *track, struct txn *txn,
                       const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    const struct revision *last = last_complete(manager, deployment);
    char object[96], cause[64], message[320];
    struct verdict verdict;
    if (!last || !deployment->rollout.auto_rollback || deployment->paused ||
        deployment->rolled_back_in_force ||
        deployment_head(manager, deployment->name) != deployment ||
        !has_failed(manager, track, census, &verdict))
        return false;
    snprintf(message, sizeof message, "revision %lld has failed: %s; revision %lld is put back",
             (long long)deployment->revision, verdict.message, (long long)last->number);
    struct rolled_back from = {
        .revision = deployment->revision, .reason = verdict.reason, .message = message};
    struct deployment edited = deployment_edit(deployment);
    edited.rolled_back_in_force = true;
    edited.rolled_back_from = &from;
    edited.record.version++;
    edited.record.updated_at_ms = loop_wall_ms(manager->loop);
    snprintf(cause, sizeof cause, "automatic rollback to %lld", (long long)last->number);
    deployment_put_back(manager, txn, &edited, last, cause);
    txn_put(txn, record_create(&deployment_kind, &edited));
    snprintf(object, sizeof object, "deployments/%s", deployment->name);
    FAILPOINT(rollback_before);
    txn_event(txn, EVENT_WARNING, "RolledBack", object, "%s", message);
    return true;
}
