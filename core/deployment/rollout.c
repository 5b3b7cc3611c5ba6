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
    if (track->seen_revision != deployment->revision)
        track->stop_first = false;
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
        census->desired != census->counts.available ||
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

bool rollout_roll_back(struct deployment_manager *manager, struct track *track, struct txn *txn,
                       const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    char object[96], cause[48], message[192];
    if (!track->deadline_passed || !deployment->rollout.auto_rollback || deployment->paused ||
        !deployment->complete_revision || deployment->complete_revision == deployment->revision ||
        deployment->rolled_back_in_force ||
        deployment_head(manager, deployment->name) != deployment)
        return false;
    const struct revision *last =
        deployment_manager_revision(manager, deployment, deployment->complete_revision);
    if (!last)
        return false;
    snprintf(message, sizeof message,
             "revision %lld made no progress within progressDeadline; revision %lld is put back",
             (long long)deployment->revision, (long long)last->number);
    struct rolled_back from = {.revision = deployment->revision,
                               .reason = census->waiting_reason[0] ? census->waiting_reason
                                                                   : "ProgressDeadlineExceeded",
                               .message = message};
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
