/* Revisions as they are shown, and how two of them differ. */
#include "api/routes/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *shown_template(const struct revision *revision)
{
    CLEANUP(text_finish) struct text text = {0};
    schema_write(&container_template_type, &revision->template, SCHEMA_SHOWN, &text);
    return json_loadb(text.data, text.length, 0, NULL);
}

/* Lives as long as the arena; empty without a `from`. */
static struct list changes_between(const struct revision *from, const struct revision *to,
                                   struct arena *arena)
{
    struct list changes = {0};
    if (from) {
        json_t *before = shown_template(from), *after = shown_template(to);
        changes = changes_of(before, after, arena);
        json_decref(before);
        json_decref(after);
    }
    return changes;
}

/* -- revisions: the key is "deployment/number" -- */

struct revision_shown {
    int64_t number, created_at_ms;
    const char *deployment, *image, *image_digest, *cause;
    struct container_template template;
    struct list changes;
    bool in_force;
};
#define AT(member) offsetof(struct revision_shown, member)
static const struct field revision_fields[] = {
    {.name = "number", .kind = FIELD_INT, .offset = AT(number), .doc = "1, 2, 3, never reused."},
    {.name = "deployment", .kind = FIELD_STRING, .offset = AT(deployment), .doc = "Of which."},
    {.name = "inForce",
     .kind = FIELD_BOOL,
     .offset = AT(in_force),
     .doc = "New containers are made from it."},
    {.name = "cause", .kind = FIELD_STRING, .offset = AT(cause), .doc = "Why it was made."},
    {.name = "image", .kind = FIELD_STRING, .offset = AT(image), .doc = "As written."},
    {.name = "imageDigest",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(image_digest),
     .doc = "What it was resolved to; null until the first pull."},
    {.name = "createdAt", .kind = FIELD_TIME, .offset = AT(created_at_ms), .doc = "When."},
    {.name = "template",
     .kind = FIELD_OBJECT,
     .offset = AT(template),
     .object = &container_template_type,
     .doc = "What its containers are made from."},
    {.name = "changes",
     .kind = FIELD_OBJECTS,
     .offset = AT(changes),
     .object = &change_type,
     .doc = "Against the one before it, of those that are kept."},
};
#undef AT
const struct type revision_shown_type = {.name = "Revision",
                                         .size = sizeof(struct revision_shown),
                                         TYPE_FIELDS(revision_fields),
                                         .doc = "One version of a container template."};

static const struct revision *revision_of(const struct record *record)
{
    return (const struct revision *)record;
}

struct revision_soft {
    const struct revision *previous; /* counted; NULL: none is kept */
    bool in_force;
};

static void fill_revision(const struct api_parts *parts, const struct record *record, void *data)
{
    const struct revision *revision = revision_of(record), *previous;
    struct revision_soft *soft = data;
    const struct deployment *deployment =
        deployment_manager_find(parts->deployments, revision->deployment);
    if (!deployment)
        return;
    soft->in_force = deployment->revision == revision->number;
    previous = deployment_manager_revision_before(parts->deployments, deployment, revision->number);
    if (previous)
        soft->previous = (const struct revision *)record_take_reference(&previous->record);
}

static void drop_revision(void *data)
{
    const struct revision_soft *soft = data;
    record_release(soft->previous ? &soft->previous->record : NULL);
}

static uint64_t revision_seq(const struct record *record, const void *soft)
{
    (void)soft;
    return record->seq;
}

static const char *revision_key(const struct record *record, char scratch[SHOWN_KEY_BYTES])
{
    const struct revision *revision = revision_of(record);
    snprintf(scratch, SHOWN_KEY_BYTES, "%s/%lld", revision->deployment,
             (long long)revision->number);
    return scratch;
}

/* First revision that is not before the key moved on by `step`. */
static const struct record *seek_revision(const struct api_parts *parts, const char *given,
                                          int64_t step)
{
    char name[SHOWN_KEY_BYTES];
    struct revision probe = {.record.kind = &revision_kind, .deployment = name};
    struct state_cursor cursor;
    snprintf(name, sizeof name, "%s", given ? given : "");
    char *slash = strchr(name, '/');
    if (slash) {
        *slash = 0;
        probe.number = strtoll(slash + 1, NULL, 10) + step;
    }
    state_seek(parts->state, STATE_COMMITTED, KIND_REVISION, &probe.record, &cursor);
    return state_next(&cursor);
}

static const struct record *next_revision(const struct api_parts *parts, const char *after)
{
    return seek_revision(parts, after, 1);
}

static const struct record *find_revision(const struct api_parts *parts, const char *given)
{
    char scratch[SHOWN_KEY_BYTES];
    const struct record *record = seek_revision(parts, given, 0);
    return record && strcmp(revision_key(record, scratch), given) == 0 ? record : NULL;
}

static void write_revision(const struct record *record, const void *data, struct text *out)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    const struct revision *revision = revision_of(record);
    const struct revision_soft *soft = data;
    const struct revision_shown shown = {.number = revision->number,
                                         .created_at_ms = record->created_at_ms,
                                         .deployment = revision->deployment,
                                         .image = revision->template.image,
                                         .image_digest = revision->image_digest,
                                         .cause = revision->cause,
                                         .template = revision->template,
                                         .changes =
                                             changes_between(soft->previous, revision, &arena),
                                         .in_force = soft->in_force};
    schema_write(&revision_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_revisions = {.name = "revisions",
                                           .id = KIND_REVISION,
                                           .soft_bytes = sizeof(struct revision_soft),
                                           .fill = fill_revision,
                                           .drop = drop_revision,
                                           .seq = revision_seq,
                                           .key = revision_key,
                                           .next = next_revision,
                                           .find = find_revision,
                                           .write = write_revision};

/* -- how a revision was rolled out -- */

struct requests_shown {
    int64_t served, failed, p50_us, p99_us;
};
#define FIGURE(word, member, form, text)                                                           \
    {                                                                                              \
        .name = (word), .kind = FIELD_INT, .flags = FIELD_NULLABLE | (form),                       \
        .offset = offsetof(struct requests_shown, member), .doc = (text)                           \
    }
static const struct field requests_fields[] = {
    FIGURE("served", served, 0, "As proxies count them; null: no service publishes it."),
    FIGURE("failed", failed, 0, "Of them to no avail."),
    FIGURE("p50Ms", p50_us, FIELD_THOUSANDTHS,
           "Of whole requests; with tcp, of connecting. null: there were none."),
    FIGURE("p99Ms", p99_us, FIELD_THOUSANDTHS, "Likewise."),
};
#undef FIGURE
static const struct type requests_type = {.name = "RolloutRequests",
                                          .size = sizeof(struct requests_shown),
                                          TYPE_FIELDS(requests_fields),
                                          .doc = "During the rollout."};
struct rollout_shown {
    int64_t revision, from, started_at_ms, ended_at_ms, restarts;
    const char *cause, *strategy, *outcome, *reason, *message;
    struct requests_shown old, new;
};
#define AT(member) offsetof(struct rollout_shown, member)
static const struct field rollout_fields[] = {
    {.name = "revision", .kind = FIELD_INT, .offset = AT(revision), .doc = "That was rolled out."},
    {.name = "from",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(from),
     .doc = "The last complete one before it."},
    {.name = "cause", .kind = FIELD_STRING, .offset = AT(cause), .doc = "Why it was made."},
    {.name = "strategy",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(strategy),
     .doc = "How; null while it is under way."},
    {.name = "startedAt", .kind = FIELD_TIME, .offset = AT(started_at_ms), .doc = "When."},
    {.name = "endedAt", .kind = FIELD_TIME, .offset = AT(ended_at_ms), .doc = "null: it has not."},
    {.name = "outcome",
     .kind = FIELD_STRING,
     .flags = FIELD_NULLABLE,
     .offset = AT(outcome),
     .doc = "completed, rolled-back, aborted or replaced; null while it is under way."},
    {.name = "reason", .kind = FIELD_STRING, .offset = AT(reason), .doc = "A word."},
    {.name = "message", .kind = FIELD_STRING, .offset = AT(message), .doc = "A sentence."},
    {.name = "restarts",
     .kind = FIELD_INT,
     .offset = AT(restarts),
     .doc = "Of the containers that there were at its end."},
    {.name = "old", .kind = FIELD_OBJECT, .offset = AT(old), .object = &requests_type},
    {.name = "new", .kind = FIELD_OBJECT, .offset = AT(new), .object = &requests_type},
};
#undef AT
const struct type rollout_shown_type = {.name = "Rollout",
                                        .size = sizeof(struct rollout_shown),
                                        TYPE_FIELDS(rollout_fields),
                                        .doc = "How one revision was rolled out."};

static void write_rollout(const struct record *record, const void *soft, struct text *out)
{
    const struct revision *revision = revision_of(record);
    const struct receipt *receipt = revision->receipt;
    const struct requests_shown unknown = {NUMBER_NULL, NUMBER_NULL, NUMBER_NULL, NUMBER_NULL};
    struct rollout_shown shown = {.revision = revision->number,
                                  .from = NUMBER_NULL,
                                  .cause = revision->cause,
                                  .started_at_ms = record->created_at_ms,
                                  .reason = "",
                                  .message = "",
                                  .old = unknown,
                                  .new = unknown};
    (void)soft;
    if (receipt) {
        shown.from = receipt->from ? receipt->from : NUMBER_NULL;
        shown.ended_at_ms = receipt->ended_at_ms;
        shown.restarts = receipt->restarts;
        shown.strategy = strategy_words[receipt->strategy - 1];
        shown.outcome = outcome_words[receipt->outcome - 1];
        shown.reason = receipt->reason ? receipt->reason : "";
        shown.message = receipt->message ? receipt->message : "";
        shown.old.served = receipt->old_served;
        shown.old.failed = receipt->old_failed;
        shown.new.served = receipt->new_served;
        shown.new.failed = receipt->new_failed;
        shown.old.p50_us = receipt->old_p50_us;
        shown.old.p99_us = receipt->old_p99_us;
        shown.new.p50_us = receipt->new_p50_us;
        shown.new.p99_us = receipt->new_p99_us;
    }
    schema_write(&rollout_shown_type, &shown, SCHEMA_SHOWN, out);
}

const struct shown_kind shown_rollouts = {.name = "rollouts",
                                          .id = KIND_REVISION,
                                          .seq = revision_seq,
                                          .key = revision_key,
                                          .next = next_revision,
                                          .find = find_revision,
                                          .write = write_rollout};

/* -- GET /deployments/NAME/diff?from=2&to=5 -- */

struct revision_diff {
    int64_t from, to;                      /* 0: not given */
    const struct revision *before, *after; /* counted */
};
struct diff_shown {
    int64_t from, to;
    struct list changes;
};
#define AT(member) offsetof(struct diff_shown, member)
static const struct field diff_fields[] = {
    {.name = "from", .kind = FIELD_INT, .offset = AT(from), .doc = "Number of the one before."},
    {.name = "to", .kind = FIELD_INT, .offset = AT(to), .doc = "Number of the one after."},
    {.name = "changes",
     .kind = FIELD_OBJECTS,
     .offset = AT(changes),
     .object = &change_type,
     .doc = "What differs."},
};
#undef AT
const struct type diff_shown_type = {.name = "RevisionDiff",
                                     .size = sizeof(struct diff_shown),
                                     TYPE_FIELDS(diff_fields),
                                     .doc = "How two revisions differ."};

static void drop_diff(struct request *request)
{
    const struct revision_diff *diff = request->data;
    record_release(diff->before ? &diff->before->record : NULL);
    record_release(diff->after ? &diff->after->record : NULL);
}

static void reply_diff(struct request *request)
{
    const struct revision_diff *diff = request->data;
    const struct diff_shown shown = {
        .from = diff->before->number,
        .to = diff->after->number,
        .changes = changes_between(diff->before, diff->after, &request->arena)};
    schema_write(&diff_shown_type, &shown, SCHEMA_SHOWN, &request->out);
    request_reply(request, 200);
}

static const struct revision *take_revision(struct request *request,
                                            const struct deployment *deployment, int64_t number)
{
    const struct revision *revision =
        deployment_manager_revision(request->parts->deployments, deployment, number);
    if (!revision) {
        error_set(&request->error, ERROR_NOT_FOUND, "deployment \"%s\" has no revision %lld",
                  deployment->name, (long long)number);
        return NULL;
    }
    return (const struct revision *)record_take_reference(&revision->record);
}

static void find_diff(struct request *request)
{
    struct deployment_manager *manager = request->parts->deployments;
    struct revision_diff *diff = request->data;
    const struct deployment *deployment = deployment_manager_find(manager, request->params[0]);
    request->seq = state_settled_seq(request->parts->state);
    if (!deployment) {
        error_set(&request->error, ERROR_NOT_FOUND, "there is no deployment \"%s\"",
                  request->params[0]);
    } else {
        int64_t to = diff->to ? diff->to : deployment->revision;
        const struct revision *before =
            diff->from ? NULL : deployment_manager_revision_before(manager, deployment, to);
        diff->after = take_revision(request, deployment, to);
        if (diff->after)
            diff->before = take_revision(request, deployment,
                                         before       ? before->number
                                         : diff->from ? diff->from
                                                      : to);
    }
    if (diff->before && diff->after)
        request_to_api(request, reply_diff);
    else
        request_fail_from_loop(request);
}

void deployment_diff(struct request *request)
{
    struct revision_diff *diff = arena_alloc(&request->arena, sizeof *diff);
    request->data = diff;
    request->drop = drop_diff;
    if (request_query_int(request, "from", 0, 1, INT64_C(1) << 53, &diff->from) &&
        request_query_int(request, "to", 0, 1, INT64_C(1) << 53, &diff->to))
        request_to_loop(request, find_diff);
}
