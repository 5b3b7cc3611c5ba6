#include "api/audit.h"
#include "base/clock.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char by[64], request_id[65], verb[24], object[160], result[32], detail[160];
};
struct batch {
    struct entry items[AUDIT_WAITING];
    size_t count;
    uint64_t lost;
};
struct audit_log {
    struct api *api;
    struct batch waiting, sent; /* sent: the loop's while under_way */
    bool under_way;
    struct loop_task to_loop, to_api;
    _Atomic uint64_t lost; /* for ever */
};

/* -- on the loop -- */

static void add(struct txn *txn, const struct entry *entry)
{
    txn_audit_entry(txn, &(struct audit){.by = entry->by,
                                         .request = *entry->request_id ? entry->request_id : NULL,
                                         .verb = entry->verb,
                                         .object = entry->object,
                                         .result = *entry->result ? entry->result : NULL,
                                         .detail = entry->detail});
}

static void lose(struct audit_log *log, uint64_t count)
{
    atomic_fetch_add(&log->lost, count);
}

static void write_entries(struct loop_task *task)
{
    struct audit_log *log = CONTAINER_OF(task, struct audit_log, to_loop);
    struct batch *batch = &log->sent;
    struct state *state = log->api->parts.state;
    struct error why;
    if (atomic_load(&log->api->serving) && state_ready(state, &why)) {
        struct txn *txn = txn_begin(state, (struct origin){.by = "server"});
        for (size_t i = 0; i < batch->count; i++)
            add(txn, &batch->items[i]);
        if (batch->lost) {
            struct entry more = {.by = "server", .verb = "lose", .object = "audit"};
            snprintf(more.detail, sizeof more.detail, "%llu more that came too fast",
                     (unsigned long long)batch->lost);
            add(txn, &more);
        }
        txn_submit(txn, NULL, NULL);
        lose(log, batch->lost);
    } else {
        lose(log, batch->count + batch->lost);
    }
    loop_post(log->api->loop, &log->to_api);
}

/* -- on the API thread -- */

static void send_waiting(struct audit_log *log)
{
    if (log->under_way || log->api->stopped || (!log->waiting.count && !log->waiting.lost))
        return;
    log->under_way = true;
    log->sent = log->waiting;
    log->waiting.count = 0;
    log->waiting.lost = 0;
    loop_post(log->api->parts.loop, &log->to_loop);
}

static void sent(struct loop_task *task)
{
    struct audit_log *log = CONTAINER_OF(task, struct audit_log, to_api);
    log->under_way = false;
    send_waiting(log);
}

static const char *verb_of(const struct exchange *exchange)
{
    static const char *const verbs[][2] = {
        {"POST", "create"}, {"PUT", "replace"}, {"PATCH", "patch"}, {"DELETE", "delete"}};
    const struct route *route = exchange->request.route;
    const char *last = strrchr(route->path, '/') + 1;
    if (strchr(route->path, '{') && *last != '{')
        return last;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i][0], route->method) == 0)
            return verbs[i][1];
    return route->method;
}

/* "deployments/web", of /api/v1/deployments/web/scale, or of the name in the body. */
static void write_object(const struct exchange *exchange, char *out, size_t bytes)
{
    const struct uri *uri = &exchange->uri;
    const char *kind = uri->segment_count > 2 ? uri->segments[2] : "";
    const char *name = exchange->request.params[0];
    const json_t *given = json_object_get(exchange->request.body, "name");
    if (!name)
        name = json_string_value(given);
    snprintf(out, bytes, "%.63s%s%.95s", kind, name ? "/" : "", name ? name : "");
    text_defuse(out);
}

static bool is_noted(const struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    const struct route *route = request->route;
    if (!route || !request->by || strcmp(route->method, "GET") == 0 || request->dry_run ||
        exchange->replayed || route->audit == AUDIT_NOTHING)
        return false;
    return request->status >= 400 || route->audit == AUDIT_ALL;
}

void audit_note(struct audit_log *log, const struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    struct batch *waiting = &log->waiting;
    if (!is_noted(exchange))
        return;
    if (log->api->stopped || !atomic_load(&log->api->serving)) { /* the loop takes no more */
        lose(log, 1);
        return;
    }
    if (waiting->count == AUDIT_WAITING) {
        waiting->lost++;
        return;
    }
    bool refused = request->status >= 400;
    struct entry *entry = &waiting->items[waiting->count++];
    *entry = (struct entry){0};
    snprintf(entry->by, sizeof entry->by, "%s", request->by);
    snprintf(entry->request_id, sizeof entry->request_id, "%s", request->id);
    snprintf(entry->verb, sizeof entry->verb, "%s", verb_of(exchange));
    write_object(exchange, entry->object, sizeof entry->object);
    if (refused)
        snprintf(entry->result, sizeof entry->result, "%s", error_code_word(request->error.code));
    /* What was wrong with a body may quote it. */
    if (refused && request->error.code != ERROR_VALIDATION)
        snprintf(entry->detail, sizeof entry->detail, "%s", request->error.message);
    text_defuse(entry->detail);
    send_waiting(log);
}

uint64_t audit_lost(const struct audit_log *log)
{
    return atomic_load(&log->lost);
}

struct audit_log *audit_log_create(struct api *api)
{
    struct audit_log *log = memory_alloc(sizeof *log);
    log->api = api;
    log->to_loop = (struct loop_task){.run = write_entries, .name = "audit"};
    log->to_api = (struct loop_task){.run = sent, .name = "audit"};
    return log;
}

void audit_log_destroy(struct audit_log *log)
{
    free(log);
}
