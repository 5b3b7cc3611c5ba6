/* What the image of a revision resolved to is kept with it, so that every replica of it, on every
 * node and for ever, runs the very same. */
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
        pin(manager, txn, LIST_AT(report->images, struct reported_image, i));
    if (txn_is_empty(txn))
        txn_abort(txn);
    else
        txn_submit(txn, NULL, NULL);
}
