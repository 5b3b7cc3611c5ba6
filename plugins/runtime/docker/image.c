/* pull: looked up, pulled if need be, and looked up again: only an image that the engine then has
 * counts as pulled, whatever its stream said. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const uint64_t STALL_NS = 120 * NS_PER_S, TOTAL_NS = 1800 * NS_PER_S;
static const uint64_t PROGRESS_NS = 500 * NS_PER_MS;

struct pull_job {
    struct job job; /* first */
    uint32_t policy;
    struct reference reference;
    char *whole; /* as it was asked for */
    struct lines lines;
    enum lines_fault fault;
    bool failed, pulled, starved;
    char failure[400], last_line[200];
    uint64_t last_line_ns;
};

static void finish(struct job *job)
{
    struct pull_job *pull = (struct pull_job *)job;
    reference_finish(&pull->reference);
    lines_finish(&pull->lines);
    free(pull->whole);
}

/* -- what a failure means -- */

static bool has_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(text, *words))
            return true;
    return false;
}

/* By the engine's words: its API has one status for all of them. Refusals come first, since a
 * registry says of what one may not see that it "may not exist". */
static orch_status classify(const char *message)
{
    static const char *const denied[] = {"denied",        "unauthorized", "authentication required",
                                         "no basic auth", "forbidden",    NULL};
    static const char *const missing[] = {
        "manifest unknown", "not found", "no such image", "does not exist", "no matching manifest",
        "name unknown",     NULL};
    static const char *const full[] = {"no space left", "disk quota", NULL};
    static const char *const late[] = {"deadline exceeded", "i/o timeout", "timeout exceeded",
                                       "tls handshake timeout", NULL};
    static const char *const network[] = {"dial tcp",
                                          "no such host",
                                          "connection re",
                                          "lookup ",
                                          "server misbehaving",
                                          "eof",
                                          "x509",
                                          "toomanyrequests",
                                          "too many requests",
                                          "network is unreachable",
                                          "no route to host",
                                          "http response to https",
                                          "received unexpected http status",
                                          "temporary failure",
                                          NULL};
    if (has_any(message, full))
        return ORCH_E_FULL;
    if (has_any(message, late))
        return ORCH_E_TIMEOUT;
    if (has_any(message, network))
        return ORCH_E_UNAVAILABLE;
    if (has_any(message, denied))
        return ORCH_E_DENIED;
    return has_any(message, missing) ? ORCH_E_NOT_FOUND : ORCH_E_IO;
}

/* -- looking it up -- */

/* Of the repository digests that are of this name: the one asked for, else the first. */
static const char *repository_digest(const struct reference *reference, const json_t *digests)
{
    const char *found = NULL;
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)digests, index, item)
    {
        const char *at = strchr(json_is_string(item) ? json_string_value(item) : "", '@');
        if (!at || strncmp(at + 1, "sha256:", 7) != 0 || !reference->name)
            continue;
        char *name = string_copy(
            (struct orch_str){json_string_value(item), (size_t)(at - json_string_value(item))});
        bool same = reference_same_name(name, reference->name);
        free(name);
        if (same && (!found || (reference->digest && strcmp(at + 1, reference->digest) == 0)))
            found = at + 1;
    }
    return found;
}

static void answer(struct pull_job *pull, const json_t *root, const struct reply *reply)
{
    const json_t *id = json_object_get(root, "Id"), *digests = json_object_get(root, "RepoDigests");
    char pinned[400];
    if (!json_is_string(id) || strncmp(json_string_value(id), "sha256:", 7) != 0 ||
        json_string_length(id) != 71 ||
        (digests && !json_is_null(digests) && !json_is_array(digests))) {
        job_fail_reply(&pull->job, reply, "looking up an image");
        return;
    }
    const char *digest = repository_digest(&pull->reference, digests);
    if (digest && strlen(digest) == 71)
        snprintf(pinned, sizeof pinned, "%s@%s", pull->reference.name, digest);
    else
        snprintf(pinned, sizeof pinned, "%s", digest = json_string_value(id));
    job_end(&pull->job, &(struct orch_image){.size = sizeof(struct orch_image),
                                             .image = str(pinned),
                                             .digest = str(digest)});
}

static void start_pull(struct pull_job *pull);

static void looked_up(struct job *job, uint64_t number, const struct reply *reply)
{
    struct pull_job *pull = (struct pull_job *)job;
    (void)number;
    if (reply_is(reply, 200)) {
        json_t *root = reply_json(reply);
        answer(pull, root, reply);
        json_decref(root);
    } else if (!reply_is(reply, 404)) {
        job_fail_reply(job, reply, "looking up an image");
    } else if (pull->pulled) {
        job_fail(job, ORCH_E_NOT_FOUND, "%.200s: pulled, and yet the engine does not have it",
                 pull->whole);
    } else if (pull->policy == ORCH_PULL_NEVER) {
        job_fail(job, ORCH_E_NOT_FOUND,
                 "%.200s: the engine does not have it, and it is not to be "
                 "pulled",
                 pull->whole);
    } else if (pull->reference.is_id) {
        job_fail(job, ORCH_E_NOT_FOUND,
                 "%.200s: the engine does not have it, and an image can't "
                 "be pulled by its id",
                 pull->whole);
    } else {
        start_pull(pull);
    }
}

static void look_up(struct pull_job *pull)
{
    struct text path = {0};
    text_format(&path, "/images/%s/json", pull->whole);
    call_start(&pull->job, &(struct call_request){.method = "GET",
                                                  .path = text_string(&path),
                                                  .timeout_ns = 5 * NS_PER_S,
                                                  .done = looked_up});
    text_finish(&path);
}

/* -- pulling -- */

static const char *word(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

/* One line a layer and status, and of those that only count bytes one each half second. Without
 * credit they are left out. */
static void tell_progress(struct pull_job *pull, const json_t *object)
{
    const struct runtime *runtime = pull->job.runtime;
    char raw[200], line[200];
    uint64_t now = runtime->loop->now_ns(runtime->host);
    const char *id = word(object, "id"), *bar = word(object, "progress");
    if (pull->starved || (bar[0] && now - pull->last_line_ns < PROGRESS_NS))
        return;
    snprintf(raw, sizeof raw, "%.64s%s%.60s %.60s", id, id[0] ? ": " : "", word(object, "status"),
             bar);
    defuse(line, sizeof line, raw, strlen(raw));
    if (!line[0] || strcmp(line, pull->last_line) == 0)
        return;
    memcpy(pull->last_line, line, sizeof line);
    pull->last_line_ns = now;
    pull->starved = job_emit(&pull->job, ORCH_CHANNEL_PROGRESS, line, strlen(line)) <= 0;
}

static void resumed(struct job *job)
{
    ((struct pull_job *)job)->starved = false;
}

static bool progress(void *context, const json_t *object)
{
    struct pull_job *pull = context;
    const json_t *error = json_object_get(object, "error");
    const json_t *detail = json_object_get(object, "errorDetail");
    const json_t *message = json_object_get(detail, "message");
    if (!error && !detail) {
        tell_progress(pull, object);
        return true;
    }
    if (!json_is_string(message))
        message = error;
    const char *said = json_is_string(message) ? json_string_value(message) : "no reason told";
    defuse(pull->failure, sizeof pull->failure, said, strlen(said));
    pull->failed = true;
    return true; /* the stream ends by itself */
}

static void data(struct job *job, struct orch_str bytes)
{
    struct pull_job *pull = (struct pull_job *)job;
    enum lines_fault fault = lines_feed(&pull->lines, bytes, progress, pull);
    if (fault == LINES_TOO_LONG)
        job_fail(job, ORCH_E_TOO_LARGE, "pulling %.200s: a line of the engine's is over %d bytes",
                 pull->whole, LINE_LIMIT);
    else if (fault)
        job_fail(job, ORCH_E_IO, "pulling %.200s: the engine's progress is no JSON", pull->whole);
}

static void streamed(struct job *job, uint64_t number, const struct reply *reply)
{
    struct pull_job *pull = (struct pull_job *)job;
    (void)number;
    if (pull->failed) {
        job_fail(job, classify(pull->failure), "pulling %.200s: %s", pull->whole, pull->failure);
    } else if (reply->status == ORCH_OK && !reply_is(reply, 200)) {
        orch_status status = classify(reply->message);
        job_fail(job, status == ORCH_E_IO ? reply_status(reply) : status, "pulling %.200s: %s",
                 pull->whole, reply->message);
    } else if (reply->status != ORCH_OK) {
        job_fail(job, reply_status(reply), "pulling %.200s: %s", pull->whole, reply->message);
    } else if (!lines_are_whole(&pull->lines)) {
        job_fail(job, ORCH_E_IO, "pulling %.200s: the engine's progress is cut", pull->whole);
    } else {
        pull->pulled = true;
        look_up(pull);
    }
}

static void start_pull(struct pull_job *pull)
{
    const struct reference *reference = &pull->reference;
    const char *tag = reference->digest ? reference->digest : reference->tag;
    struct text path = {0};
    text_format(&path, "/images/create?fromImage=");
    text_query(&path, reference->name, strlen(reference->name));
    text_format(&path, "&tag=");
    text_query(&path, tag, strlen(tag)); /* without one the engine pulls every tag */
    call_start(&pull->job, &(struct call_request){.method = "POST",
                                                  .path = text_string(&path),
                                                  .timeout_ns = TOTAL_NS,
                                                  .first_byte_ns = STALL_NS,
                                                  .stall_ns = STALL_NS,
                                                  .data = data,
                                                  .done = streamed});
    text_finish(&path);
}

orch_status runtime_pull(void *instance, struct orch_op op, const struct orch_pull *given,
                         struct orch_error *error)
{
    struct orch_pull taken;
    struct reference reference;
    if (ORCH_TAKE(struct orch_pull, &taken, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    if (taken.policy < ORCH_PULL_MISSING || taken.policy > ORCH_PULL_NEVER)
        return orch_fail(error, ORCH_E_INVALID, "no such pull policy");
    if (!reference_parse(&reference, taken.image, error))
        return ORCH_E_INVALID;
    struct pull_job *pull = job_new(instance, op, sizeof *pull);
    pull->job.finish = finish;
    pull->job.resumed = resumed;
    pull->policy = taken.policy;
    pull->reference = reference;
    pull->whole = string_copy(taken.image);
    if (taken.policy == ORCH_PULL_ALWAYS && !reference.is_id)
        start_pull(pull);
    else
        look_up(pull);
    return ORCH_PENDING;
}
