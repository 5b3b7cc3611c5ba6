/* What the image of a revision resolved to is kept with it, so that every replica of it, on every
 * node and for ever, runs the very same. */
#include "base/clock.h"
#include "deployment/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "<deployment uid>/<revision>" */
static const struct revision *revision_by_template(struct deployment_manager *manager,
                                                   const char *template_id)
{
    const struct deployment *deployment = NULL;
    const char *slash = strchr(template_id, '/');
    if (!slash)
        return NULL;
    size_t length = (size_t)(slash - template_id);
    while ((deployment = deployment_manager_next(manager, deployment ? deployment->name : NULL)))
        if (strlen(deployment->record.uid) == length &&
            strncmp(deployment->record.uid, template_id, length) == 0)
            return deployment_manager_revision(manager, deployment, strtoll(slash + 1, NULL, 10));
    return NULL;
}

/* As it will be: another node's word may be on its way already. */
static const struct revision *revision_head(struct deployment_manager *manager,
                                            const struct revision *revision)
{
    return (const struct revision *)state_find(manager->state, STATE_HEAD, &revision->record);
}

/* -- to be there before an old replica goes -- */

enum { ASKED_AGAIN_S = 10, REFUSED_AGAIN_MAX_S = 60 };

void images_forget(struct track *track)
{
    struct pull *pull, *next;
    HASH_ITER(hh, track->pulls, pull, next)
    {
        HASH_DEL(track->pulls, pull);
        free(pull);
    }
    track->refusals = 0;
    track->refusal[0] = 0;
}

static struct pull *pull_of(struct track *track, const char *node)
{
    struct pull *pull = NULL;
    HASH_FIND_STR(track->pulls, node, pull);
    if (pull)
        return pull;
    pull = memory_alloc(sizeof *pull);
    snprintf(pull->node, sizeof pull->node, "%s", node);
    HASH_ADD_STR(track->pulls, node, pull);
    return pull;
}

static void ask(struct deployment_manager *manager, struct track *track, struct pull *pull,
                const struct deployment *deployment)
{
    char name[96];
    uint64_t now = loop_now_ns(manager->loop);
    if (now >= pull->again_ns) {
        snprintf(name, sizeof name, "%s/%lld", deployment->name, (long long)deployment->revision);
        node_registry_want_image(manager->config.nodes, pull->node, name);
        pull->again_ns = now + ASKED_AGAIN_S * NS_PER_SECOND;
    }
    track_wake(track, pull->again_ns);
}

/* Until it is pinned one node is asked: all are to have the very same. */
bool images_are_there(struct deployment_manager *manager, struct track *track,
                      const struct census *census)
{
    const struct deployment *deployment = census->deployment;
    const struct revision *revision =
        deployment_manager_revision(manager, deployment, deployment->revision);
    bool all = true;
    for (int64_t i = 0; i < census->live_count; i++) {
        const struct container *container = census->live[i];
        if (!census_is_outdated(manager, deployment, container) ||
            node_registry_status(manager->config.nodes, container->node)->state != NODE_READY)
            continue;
        struct pull *pull = pull_of(track, container->node);
        if (pull->done)
            continue;
        all = false;
        ask(manager, track, pull, deployment);
        if (!revision || !revision->image_pinned)
            break;
    }
    return all;
}

static void note_refusal(struct deployment_manager *manager, struct txn *txn, struct track *track,
                         struct pull *pull, const struct reported_image *image)
{
    char object[96];
    uint64_t wait_s = UINT64_C(1) << (pull->refusals < 6 ? pull->refusals : 6);
    if (wait_s > REFUSED_AGAIN_MAX_S)
        wait_s = REFUSED_AGAIN_MAX_S;
    pull->again_ns = loop_now_ns(manager->loop) + wait_s * NS_PER_SECOND;
    if (!image->refused)
        return;
    if (++pull->refusals > track->refusals)
        track->refusals = pull->refusals;
    snprintf(track->refusal, sizeof track->refusal, "%s could not pull %.100s", pull->node,
             image->failure);
    snprintf(object, sizeof object, "deployments/%s", track->name);
    if (pull->refusals == 1)
        txn_event(txn, EVENT_WARNING, "ImagePullFailed", object, "%s", track->refusal);
}

/* What a node says of the image of a revision in force. */
static void note_pull(struct deployment_manager *manager, struct txn *txn, const char *node,
                      const struct reported_image *image)
{
    const struct revision *revision = revision_by_template(manager, image->template_id);
    const struct deployment *deployment =
        revision ? deployment_manager_find(manager, revision->deployment) : NULL;
    struct track *track = deployment ? deployment_track(manager, deployment->name) : NULL;
    if (!track || deployment->revision != revision->number ||
        track->seen_revision != revision->number)
        return;
    struct pull *pull = pull_of(track, node);
    pull->done = !image->failure;
    if (image->failure)
        note_refusal(manager, txn, track, pull, image);
    else
        pull->refusals = 0;
    deployment_queue(manager, track);
}

static void pin(struct deployment_manager *manager, struct txn *txn,
                const struct reported_image *image)
{
    char object[96];
    const struct revision *revision = revision_by_template(manager, image->template_id);
    if (!revision || !image->image_pinned || !(revision = revision_head(manager, revision)) ||
        revision->image_pinned)
        return;
    struct revision edited;
    record_copy_fields(&revision->record, &edited, sizeof edited);
    edited.image_pinned = image->image_pinned;
    edited.image_digest = image->image_digest;
    txn_put(txn, record_create(&revision_kind, &edited));
    snprintf(object, sizeof object, "deployments/%s", revision->deployment);
    txn_event(txn, EVENT_NORMAL, "ImagePinned", object, "revision %lld: %s is %s",
              (long long)revision->number, revision->template.image, image->image_pinned);
}

void deployment_manager_report(struct deployment_manager *manager, const char *node,
                               const struct report *report)
{
    char by[80];
    if (!report->images.count)
        return;
    snprintf(by, sizeof by, "node/%s", node);
    struct txn *txn = txn_begin(manager->state, (struct origin){.by = by});
    for (uint32_t i = 0; i < report->images.count; i++)
        note_pull(manager, txn, node, LIST_AT(report->images, struct reported_image, i));
    for (uint32_t i = 0; i < report->images.count; i++)
        pin(manager, txn, LIST_AT(report->images, struct reported_image, i));
    if (txn_is_empty(txn))
        txn_abort(txn);
    else
        txn_submit(txn, NULL, NULL);
}
