/* How a rollout goes and ends: progress, completion, automatic rollback. */
#include "base/failpoint.h"
#include "deployment/impl.h"

#include <stdio.h>
#include <string.h>

static void add_old_latency(struct deployment_manager *manager, const struct deployment *deployment,
                            struct histogram *to)
{
    const struct revision *revision = NULL;
    while ((revision = deployment_manager_next_revision(manager, deployment,
                                                        revision ? revision->number : 0)))
        if (revision->number != deployment->revision)
            service_manager_add_latency(manager->config.services, deployment->name,
                                        revision->number, to);
}

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
        track->gate_since_ns = 0;
        track->old_before = rollout_old_requests(manager, deployment);
        histogram_finish(&track->old_latency_before);
        add_old_latency(manager, deployment, &track->old_latency_before);
    }
    track->seen_revision = deployment->revision;
    track->seen_desired = census->desired;
    if (track->gate_since_ns) /* it waits for others */
        track->progressed_ns = loop_now_ns(manager->loop);
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
    edited.hidden = 0;
    rollout_end(manager, txn, deployment, &(struct rollout_end){OUTCOME_COMPLETED, "", ""});
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

/* More of what the new ones got failed than of what the old ones got, by the margin. */
static bool requests_fail(struct deployment_manager *manager, const struct track *track,
                          const struct census *census, struct verdict *out)
{
    enum { JUDGED_FROM = 20 };
    const struct deployment *deployment = census->deployment;
    struct service_requests new =
        service_manager_requests(manager->config.services, deployment->name, deployment->revision);
    struct service_requests old = rollout_old_requests(manager, deployment);
    old.served -= track->old_before.served;
    old.failed -= track->old_before.failed;
    int64_t all = new.served + new.failed, old_all = old.served + old.failed;
    int64_t rate = all ? new.failed * 1000 / all : 0;
    int64_t old_rate = old_all > 0 ? old.failed * 1000 / old_all : 0;
    /* One that is left out gets too little for a share to be judged by. */
    bool ejected = service_manager_is_ejected(manager->config.services, deployment->name,
                                              deployment->revision);
    if ((all < JUDGED_FROM && !ejected) ||
        rate <= old_rate + deployment->rollout.max_error_rate.value * 10)
        return false;
    out->reason = "ErrorRate";
    snprintf(out->message, sizeof out->message,
             "%lld of %lld requests to new replicas failed, %lld of %lld to old ones",
             (long long)new.failed, (long long)all, (long long)old.failed, (long long)old_all);
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
    if (replicas_fail(manager, track, census, out) || requests_fail(manager, track, census, out))
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
    const struct rollout_end end = {OUTCOME_ROLLED_BACK, verdict.reason, verdict.message};
    deployment_put_back(manager, txn, &edited, last, &end, cause);
    txn_put(txn, record_create(&deployment_kind, &edited));
    snprintf(object, sizeof object, "deployments/%s", deployment->name);
    FAILPOINT(rollback_before);
    txn_event(txn, EVENT_WARNING, "RolledBack", object, "%s", message);
    return true;
}

/* -- receipts -- */

struct service_requests rollout_old_requests(struct deployment_manager *manager,
                                             const struct deployment *deployment)
{
    struct service_requests sum = {0};
    const struct revision *revision = NULL;
    while ((revision = deployment_manager_next_revision(manager, deployment,
                                                        revision ? revision->number : 0))) {
        struct service_requests of = {0};
        if (revision->number != deployment->revision)
            of = service_manager_requests(manager->config.services, deployment->name,
                                          revision->number);
        sum.served += of.served;
        sum.failed += of.failed;
    }
    return sum;
}

static int64_t quantile(const struct histogram *latency, uint32_t permille)
{
    int64_t us = histogram_quantile_us(latency, permille);
    return us < 0 ? NUMBER_NULL : us;
}

static void fill_latencies(struct deployment_manager *manager, const struct deployment *deployment,
                           const struct track *track, struct receipt *receipt)
{
    CLEANUP(histogram_finish) struct histogram new = {0};
    CLEANUP(histogram_finish) struct histogram now = {0};
    CLEANUP(histogram_finish) struct histogram old = {0};
    service_manager_add_latency(manager->config.services, deployment->name, deployment->revision,
                                &new);
    add_old_latency(manager, deployment, &now);
    histogram_merge_since(&old, &now, &track->old_latency_before);
    receipt->new_p50_us = quantile(&new, 500);
    receipt->new_p99_us = quantile(&new, 990);
    receipt->old_p50_us = quantile(&old, 500);
    receipt->old_p99_us = quantile(&old, 990);
}

static void fill_figures(struct deployment_manager *manager, const struct deployment *deployment,
                         struct receipt *receipt)
{
    const struct track *track = deployment_track(manager, deployment->name);
    receipt->old_served = receipt->old_failed = NUMBER_NULL;
    receipt->new_served = receipt->new_failed = NUMBER_NULL;
    receipt->old_p50_us = receipt->old_p99_us = NUMBER_NULL;
    receipt->new_p50_us = receipt->new_p99_us = NUMBER_NULL;
    if (!track)
        return;
    receipt->restarts = track->counts.restarts;
    if (!service_manager_has_service(manager->config.services, deployment->name))
        return;
    struct service_requests new =
        service_manager_requests(manager->config.services, deployment->name, deployment->revision);
    struct service_requests old = rollout_old_requests(manager, deployment);
    receipt->new_served = new.served;
    receipt->new_failed = new.failed;
    /* Of a revision that was trimmed meanwhile nothing is known any more. */
    receipt->old_served =
        old.served > track->old_before.served ? old.served - track->old_before.served : 0;
    receipt->old_failed =
        old.failed > track->old_before.failed ? old.failed - track->old_before.failed : 0;
    fill_latencies(manager, deployment, track, receipt);
}

void rollout_end(struct deployment_manager *manager, struct txn *txn,
                 const struct deployment *deployment, const struct rollout_end *end)
{
    struct revision probe = {.record.kind = &revision_kind,
                             .deployment = deployment->name,
                             .number = deployment->revision};
    const struct revision *revision =
        (const struct revision *)state_find(manager->state, STATE_HEAD, &probe.record);
    if (!revision || revision->receipt)
        return;
    struct receipt receipt = {.from = deployment->complete_revision,
                              .strategy = deployment->rollout.strategy,
                              .outcome = end->outcome,
                              .reason = end->reason,
                              .message = end->message,
                              .started_at_ms = revision->record.created_at_ms,
                              .ended_at_ms = loop_wall_ms(manager->loop)};
    fill_figures(manager, deployment, &receipt);
    struct revision edited;
    record_copy_fields(&revision->record, &edited, sizeof edited);
    edited.receipt = &receipt;
    txn_put(txn, record_create(&revision_kind, &edited));
}

/* -- steps -- */

/* From now on it serves: also while it goes, should it be put back. */
void rollout_promote(struct deployment *edited)
{
    edited->promoted = true;
    if (edited->hidden)
        edited->hidden = edited->revision + 1;
}

static void put_step(struct deployment_manager *manager, struct txn *txn, struct deployment *edited,
                     const char *reason, const char *message)
{
    char object[96];
    edited->record.version++;
    edited->record.updated_at_ms = loop_wall_ms(manager->loop);
    txn_put(txn, record_create(&deployment_kind, edited));
    snprintf(object, sizeof object, "deployments/%s", edited->name);
    txn_event(txn, EVENT_NORMAL, reason, object, "revision %lld: %s", (long long)edited->revision,
              message);
}

bool rollout_step(struct deployment_manager *manager, struct track *track, struct txn *txn,
                  const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    uint64_t now = loop_now_ns(manager->loop);
    bool awaits = strategy_awaits_promotion(deployment);
    bool gated = awaits || strategy_step(census) < census->desired;
    bool settled = deployment->hidden || census->counts.current <= census->desired;
    bool there = settled && !census->counts.unproven &&
                 census->counts.updated_available >= strategy_step(census);
    if (!deployment_is_rolling(deployment) || deployment->paused || !gated || !there) {
        track->gate_since_ns = 0;
        return false;
    }
    if (!track->gate_since_ns)
        track->gate_since_ns = now;
    if (deployment_head(manager, deployment->name) != deployment)
        return false;
    struct deployment edited = deployment_edit(deployment);
    if (!deployment->paused_after && deployment->rollout.pause_after.value) {
        edited.paused = edited.paused_after = true;
        put_step(manager, txn, &edited, "PausedAfter", "paused as pauseAfter says; resume goes on");
        return true;
    }
    uint64_t due_ns = track->gate_since_ns + deployment->rollout.promotion.after_ns;
    if (!awaits || !deployment->rollout.promotion.automatic)
        return false;
    if (now < due_ns) {
        track_wake(track, due_ns);
        return false;
    }
    rollout_promote(&edited);
    put_step(manager, txn, &edited, "Promoted", "its step held; it goes on to all replicas");
    return true;
}
