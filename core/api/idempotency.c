/* The life of an Idempotency-Key:
 *
 *   check [loop]   unknown: it is under way from now on, and the request goes on. Its transaction
 *                  carries a marker (struct origin), so that change and key are durable as one
 *   finish [api]   the answer is complete: a second small transaction adds it to the marker
 *   done [loop]    only then is it sent
 *
 * A daemon that was killed between the two finds a marker without an answer: the change was made,
 * so the object as it is now is the answer. Answers other than 2xx are not kept: nothing changed.
 */
#include "api/idempotency.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "store/idempotency.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_KEPT = 100000, ANSWER_BYTES = 64 * 1024, SWEEP_LOOKS = 500 };
enum { KEPT_MS = 24 * 60 * 60 * 1000, SWEEP_SECONDS = 60 };

struct idempotency_entry {
    UT_hash_handle hh;
    const char *key; /* of the request */
};
struct idempotency {
    struct api *api;
    struct loop *loop;
    struct state *state;
    struct idempotency_entry *under_way; /* by key; bounded by the requests that are */
    struct loop_timer sweep;
    char swept[80]; /* where the next sweep goes on; "": at the beginning */
};

static const struct idempotency_record *find(struct idempotency *idempotency, const char *key)
{
    struct idempotency_record probe = {.record.kind = &idempotency_kind, .key = key};
    return (const struct idempotency_record *)state_find(idempotency->state, STATE_HEAD,
                                                         &probe.record);
}

static void fail(struct request *request, enum error_code code, const char *message)
{
    error_set(&request->error, code, "%s", message);
    request_fail_from_loop(request);
}

/* -- known keys -- */

static void reply_again(struct request *request)
{
    struct exchange *exchange = exchange_of(request);
    const struct shown *shown = &exchange->shown;
    exchange->replayed = true;
    if (shown->record) {
        shown->kind->write(shown->record, shown->soft, &request->out);
        request->etag = shown->record->version;
    }
    request_reply(request, request->status);
}

static void answer_as_kept(struct request *request, const struct idempotency_record *record)
{
    request->status = (int)record->status;
    request->etag = (uint64_t)record->etag;
    request->location = arena_strdup(&request->arena, record->location);
    if (record->answer)
        text_append_string(&request->out, record->answer);
    request_to_api(request, reply_again);
}

/* What the request was about: the path's object, or the one that the body names. */
static const struct shown_kind *kind_of_path(const struct exchange *exchange)
{
    static const enum record_kind_id ids[] = {KIND_DEPLOYMENT, KIND_CONTAINER, KIND_NODE,
                                              KIND_SERVICE};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const struct shown_kind *kind = shown_kind_of(ids[i]);
        if (exchange->uri.segment_count > 2 && strcmp(exchange->uri.segments[2], kind->name) == 0)
            return kind;
    }
    return NULL;
}

static void answer_with_present(struct request *request)
{
    struct exchange *exchange = exchange_of(request);
    const struct shown_kind *kind = kind_of_path(exchange);
    const char *name = request->params[0]
                           ? request->params[0]
                           : json_string_value(json_object_get(request->body, "name"));
    const struct record *record = kind && name ? kind->find(request->parts, name) : NULL;
    if (!record) {
        fail(request, ERROR_CONFLICT,
             "the first request with this Idempotency-Key made its change; its answer is not known "
             "any more");
        return;
    }
    request->status = request->params[0] ? 200 : 201;
    if (!request->params[0])
        request->location = arena_format(&request->arena, "/api/v1/%s/%s", kind->name, name);
    exchange->shown = shown_take(request->parts, kind, record);
    request_to_api(request, reply_again);
}

static void answer_known(struct request *request, const struct idempotency_record *record)
{
    request->seq = state_settled_seq(request->parts->state);
    if (!text_equal(record->hash, exchange_of(request)->idempotency_hash))
        fail(request, ERROR_CONFLICT,
             "this Idempotency-Key was used for another request; choose a new one");
    else if (record->status)
        answer_as_kept(request, record);
    else
        answer_with_present(request);
}

/* -- new ones -- */

void idempotency_check(struct request *request, request_step *step)
{
    struct idempotency *idempotency = request->api->idempotency;
    struct exchange *exchange = exchange_of(request);
    struct idempotency_entry *entry;
    const char *key = request->idempotency_key;
    HASH_FIND_STR(idempotency->under_way, key, entry);
    const struct idempotency_record *record = find(idempotency, key);
    if (entry) {
        fail(request, ERROR_CONFLICT,
             "a request with this Idempotency-Key is under way; try again when it is answered");
    } else if (record) {
        answer_known(request, record);
    } else if (state_count(idempotency->state, KIND_IDEMPOTENCY) >= KEYS_KEPT) {
        fail(request, ERROR_RATE_LIMITED,
             "too many Idempotency-Keys are kept; leave it out, or try again later");
    } else {
        entry = memory_alloc(sizeof *entry);
        entry->key = key;
        HASH_ADD_KEYPTR(hh, idempotency->under_way, key, strlen(key), entry);
        exchange->idempotency = entry;
        step(request);
    }
}

static void send_answer(struct loop_task *task)
{
    struct exchange *exchange = CONTAINER_OF(task, struct exchange, aside);
    request_reply(&exchange->request, exchange->request.status);
}

static void kept(void *argument, const struct error *error)
{
    struct exchange *exchange = argument;
    struct idempotency *idempotency = exchange->api->idempotency;
    if (error) /* the change is durable with its marker all the same */
        LOG_WARN("an answer is not kept for its Idempotency-Key",
                 LOG_STR("request", exchange->request.id), LOG_STR("error", error->message));
    FAILPOINT(idempotency_after);
    HASH_DEL(idempotency->under_way, exchange->idempotency);
    free(exchange->idempotency);
    exchange->idempotency = NULL;
    exchange->aside = (struct loop_task){.run = send_answer, .name = "idempotency"};
    loop_post(exchange->api->loop, &exchange->aside);
}

static void keep(struct loop_task *task)
{
    struct exchange *exchange = CONTAINER_OF(task, struct exchange, aside);
    struct request *request = &exchange->request;
    struct idempotency *idempotency = exchange->api->idempotency;
    if (request->status >= 300) {
        kept(exchange, NULL);
        return;
    }
    struct idempotency_record record = {.record.created_at_ms = loop_wall_ms(idempotency->loop),
                                        .key = request->idempotency_key,
                                        .hash = exchange->idempotency_hash,
                                        .status = request->status,
                                        .etag = (int64_t)request->etag,
                                        .location = request->location,
                                        .answer = text_string(&request->out)};
    if (request->out.length > ANSWER_BYTES) {
        record.status = 0; /* the object as it is then will do */
        record.answer = NULL;
    }
    struct txn *txn = txn_begin(idempotency->state, (struct origin){.by = "api"});
    txn_put(txn, record_create(&idempotency_kind, &record));
    FAILPOINT(idempotency_before);
    txn_submit(txn, kept, exchange);
}

void idempotency_finish(struct exchange *exchange)
{
    exchange->aside = (struct loop_task){.run = keep, .name = "idempotency"};
    loop_post(exchange->api->parts.loop, &exchange->aside);
}

/* -- expiry -- */

static void drop_expired(struct idempotency *idempotency, struct txn *txn)
{
    struct state_cursor cursor;
    const struct record *record;
    struct idempotency_record probe = {.record.kind = &idempotency_kind, .key = idempotency->swept};
    int64_t before_ms = loop_wall_ms(idempotency->loop) - KEPT_MS;
    state_seek(idempotency->state, STATE_HEAD, KIND_IDEMPOTENCY,
               idempotency->swept[0] ? &probe.record : NULL, &cursor);
    const struct record *expired[SWEEP_LOOKS];
    size_t count = 0;
    int looks = 0;
    while ((record = state_next(&cursor)) && looks++ < SWEEP_LOOKS)
        if (record->created_at_ms < before_ms)
            expired[count++] = record;
    const char *next = record ? ((const struct idempotency_record *)record)->key : "";
    strncpy(idempotency->swept, next, sizeof idempotency->swept - 1);
    for (size_t i = 0; i < count; i++)
        txn_delete(txn, expired[i]);
}

static void sweep(void *argument)
{
    struct idempotency *idempotency = argument;
    loop_timer_start(&idempotency->sweep, SWEEP_SECONDS * NS_PER_SECOND);
    if (!state_ready(idempotency->state, NULL))
        return;
    struct txn *txn = txn_begin(idempotency->state, (struct origin){.by = "api"});
    drop_expired(idempotency, txn);
    if (txn_is_empty(txn))
        txn_abort(txn);
    else
        txn_submit(txn, NULL, NULL);
}

/* -- life -- */

struct idempotency *idempotency_create(struct api *api)
{
    struct idempotency *idempotency = memory_alloc(sizeof *idempotency);
    idempotency->api = api;
    idempotency->loop = api->parts.loop;
    idempotency->state = api->parts.state;
    loop_timer_init(&idempotency->sweep, api->parts.loop, "idempotency", sweep, idempotency);
    return idempotency;
}

void idempotency_start(struct idempotency *idempotency)
{
    loop_timer_start(&idempotency->sweep, SWEEP_SECONDS * NS_PER_SECOND);
}

void idempotency_destroy(struct idempotency *idempotency)
{
    if (!idempotency)
        return;
    struct idempotency_entry *entry, *next;
    loop_timer_stop(&idempotency->sweep);
    HASH_ITER(hh, idempotency->under_way, entry, next)
    {
        HASH_DEL(idempotency->under_way, entry);
        free(entry);
    }
    free(idempotency);
}
