/* POST /plan, and what dry runs are answered with. */
#include "api/routes/plan.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void planning_destroy(struct planning *planning)
{
    if (!planning)
        return;
    for (uint32_t i = 0; i < planning->change_count; i++) {
        record_release(planning->changes[i].before);
        record_release(planning->changes[i].after);
    }
    schema_faults_finish(&planning->faults);
    plan_give_up(planning->planner);
    plan_destroy(planning->plan); /* the rest is in the request's arena */
}

/* -- what is asked for -- */

static const char *const op_words[] = {"put", "delete", "scale", "drain", "cordon", "lose", NULL};
static const char *const kind_words[] = {"deployments", "services", "nodes", NULL};
enum { KIND_OF_DEPLOYMENTS = 1, KIND_OF_SERVICES, KIND_OF_NODES };
struct asked {
    uint8_t op, kind;
    const char *name, *object;
};
struct asked_plan {
    struct list items;
};
static const struct field asked_fields[] = {
    {.name = "op",
     .kind = FIELD_ENUM,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct asked, op),
     .words = op_words,
     .doc = "What would be done."},
    {.name = "kind",
     .kind = FIELD_ENUM,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct asked, kind),
     .words = kind_words,
     .doc = "Of what: nodes are drained, cordoned and lost, services put and deleted."},
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct asked, name),
     .check = schema_check_name,
     .doc = "Of the object."},
    {.name = "object",
     .kind = FIELD_JSON,
     .offset = offsetof(struct asked, object),
     .doc = "put: as it would be declared; scale: {\"replicas\"}; drain: {\"deadline\"}."},
};
static const struct type asked_type = {.name = "PlanItem",
                                       .size = sizeof(struct asked),
                                       TYPE_FIELDS(asked_fields),
                                       .doc = "One change."};
static const struct field plan_fields[] = {
    {.name = "items",
     .kind = FIELD_OBJECTS,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct asked_plan, items),
     .object = &asked_type,
     .min = 1,
     .max = PLAN_ITEMS,
     .doc = "Changes of different objects, made one after another."},
};
static const struct type asked_plan_type = {
    .name = "PlanRequest",
    .size = sizeof(struct asked_plan),
    TYPE_FIELDS(plan_fields),
    .doc = "What is to be planned; a deployment's object in its place is one put of it."};

static const struct {
    uint8_t op, kind;
    const struct declared_kind *declared;
    const struct type *body;
    action_ask *ask;
} known[] = {
    {PLAN_PUT, KIND_OF_DEPLOYMENTS, &declared_deployments, NULL, NULL},
    {PLAN_PUT, KIND_OF_SERVICES, &declared_services, NULL, NULL},
    {PLAN_DELETE, KIND_OF_DEPLOYMENTS, NULL, &nothing_type, deployment_ask_delete},
    {PLAN_DELETE, KIND_OF_SERVICES, NULL, &nothing_type, service_ask_delete},
    {PLAN_SCALE, KIND_OF_DEPLOYMENTS, NULL, &scale_type, deployment_ask_scale},
    {PLAN_DRAIN, KIND_OF_NODES, NULL, &drain_type, node_ask_drain},
    {PLAN_CORDON, KIND_OF_NODES, NULL, &nothing_type, node_ask_cordon},
    {PLAN_LOSE, KIND_OF_NODES, NULL, &nothing_type, NULL},
};

static void fault(struct planning *planning, uint32_t item, const char *member, const char *message)
{
    char path[64];
    snprintf(path, sizeof path, "items[%u].%s", item, member);
    schema_faults_add(&planning->faults, (struct schema_position){0}, path, "%s", message);
}

static void read_object(struct request *request, uint32_t at, const struct type *body)
{
    struct planning *planning = request->planning;
    struct plan_item *item = &planning->items[at];
    char path[48];
    json_t *object = json_loads(item->object ? item->object : "{}", 0, NULL);
    const json_t *name = json_object_get(object, "name");
    snprintf(path, sizeof path, "items[%u].object", at);
    if (!item->kind) {
        schema_defaults(body, &request->arena, &item->action.body);
        schema_read_input(body, object, path, NULL, &request->arena, &item->action.body,
                          &planning->faults);
        json_decref(object);
        return;
    }
    if (json_is_string(name) && strcmp(json_string_value(name), item->name) != 0)
        fault(planning, at, "object.name", "must be left out or equal to the item's name");
    if (!name)
        json_object_set_new(object, "name", json_string(item->name));
    item->wanted = arena_alloc(&request->arena, item->kind->type->size);
    item->replicas_given = schema_was_given(object, "replicas");
    schema_read_input(item->kind->type, object, path, NULL, &request->arena, item->wanted,
                      &planning->faults);
    item->kind->complete(request, item->wanted, &planning->faults);
    json_decref(object);
}

static void read_item(struct request *request, uint32_t at, const struct list *all)
{
    struct planning *planning = request->planning;
    const struct asked *asked = LIST_AT(*all, struct asked, at);
    struct plan_item *item = &planning->items[at];
    size_t row = 0;
    *item = (struct plan_item){.op = asked->op, .name = asked->name, .object = asked->object};
    for (uint32_t i = 0; i < at; i++)
        if (LIST_AT(*all, struct asked, i)->kind == asked->kind &&
            strcmp(planning->items[i].name, item->name) == 0)
            fault(planning, at, "name", "is that of an earlier item: one change of each object");
    while (row < sizeof known / sizeof known[0] &&
           (known[row].op != asked->op || known[row].kind != asked->kind))
        row++;
    if (row == sizeof known / sizeof known[0]) {
        fault(planning, at, "op", "can't be done to objects of that kind");
        return;
    }
    item->kind = known[row].declared;
    item->action.ask = known[row].ask;
    read_object(request, at, known[row].body);
}

/* A deployment alone is the put of it. */
static json_t *body_of(const json_t *body)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    if (!name || json_object_get(body, "items"))
        return json_deep_copy(body);
    return json_pack("{s:[{s:s, s:s, s:s, s:O}]}", "items", "op", "put", "kind", "deployments",
                     "name", name, "object", body);
}

bool planning_read(struct request *request, const json_t *given)
{
    struct planning *planning = arena_alloc(&request->arena, sizeof *planning);
    struct asked_plan asked = {0};
    json_t *body = body_of(given);
    request->planning = planning;
    bool read = schema_read_input(&asked_plan_type, body, "", NULL, &request->arena, &asked,
                                  &planning->faults);
    json_decref(body);
    if (read) {
        planning->count = asked.items.count;
        planning->items =
            arena_alloc(&request->arena, (planning->count + 1) * sizeof *planning->items);
    }
    for (uint32_t i = 0; read && i < planning->count; i++)
        read_item(request, i, &asked.items);
    if (!planning->faults.count)
        return true;
    request_fail_faults(request, &planning->faults);
    return false;
}

/* -- the items, on the loop: one transaction in one turn -- */

/* It was accepted when it was planned: the world has moved, unless it is the store's trouble. */
static bool is_conflict(enum error_code code)
{
    switch ((int)code) {
    case ERROR_UNAVAILABLE:
    case ERROR_UNKNOWN_OUTCOME:
    case ERROR_RATE_LIMITED:
    case ERROR_PAYLOAD_TOO_LARGE:
        return false;
    default:
        return true;
    }
}

static void fail_item(struct request *request)
{
    const struct planning *planning = request->planning;
    struct error error = request->error;
    if (planning->making && is_conflict(error.code))
        error_set(&request->error, ERROR_CONFLICT, "items[%u]: %s; nothing was made, plan again",
                  planning->at, error.message);
    else if (planning->items && !planning->making && planning->count > 1)
        error_set(&request->error, error.code, "items[%u]: %s", planning->at, error.message);
    request_fail_from_loop(request);
}

static void answer_faults(struct request *request)
{
    request_fail_faults(request, &request->planning->faults);
}

static bool lose(struct request *request, const struct plan_item *item)
{
    struct planning *planning = request->planning;
    const struct node *node = node_registry_find(request->parts->nodes, item->name);
    if (!node)
        return error_set(&request->error, ERROR_NOT_FOUND, "there is no node \"%s\"", item->name);
    planning->changes[planning->change_count++] =
        (struct plan_change){.before = record_take_reference(&node->record),
                             .after = record_take_reference(&node->record),
                             .lost = true};
    return true;
}

static void planned(void *argument, struct plan *plan);
static void made(struct request *request);

static void plan_all(struct request *request)
{
    struct planning *planning = request->planning;
    const struct api_parts *from = request->parts;
    const struct plan_parts parts = {.loop = from->loop,
                                     .state = from->state,
                                     .containers = from->containers,
                                     .deployments = from->deployments,
                                     .nodes = from->nodes,
                                     .scheduler = from->scheduler,
                                     .services = from->services};
    uint32_t count = planning->change_count;
    planning->change_count = 0; /* they go over */
    planning->planner = plan_make(&parts, planning->changes, count, planned, request);
}

static void item_answered(struct request *request)
{
    struct planning *planning = request->planning;
    if (--planning->left)
        return;
    if (planning->faults.count)
        request_to_api(request, answer_faults);
    else if (planning->refused)
        fail_item(request);
    else if (planning->making)
        request_to_api(request, made);
    else
        plan_all(request);
}

static void set_conditions(const struct planning *planning, struct write_request *write)
{
    if (!planning->making)
        return;
    const struct record *before = planning->plan->changes[planning->at].before;
    write->if_none_match_any = !before;
    write->has_if_match = before != NULL;
    write->if_match = before ? before->version : 0;
}

/* False: it is refused. */
static bool run_item(struct request *request, struct plan_item *item)
{
    struct planning *planning = request->planning;
    struct write_request *write = &item->action.write;
    *write = planning->making
                 ? planning->write
                 : (struct write_request){.origin = {.by = request->by ? request->by : "anonymous",
                                                     .request_id = request->id,
                                                     .dry_run = true}};
    write->origin.group = planning->group;
    if (planning->at) /* it is marked once */
        write->origin.idempotency_key = NULL;
    set_conditions(planning, write);
    request->params[0] = item->name;
    if (!item->kind)
        return item->action.ask(request, &item->action, &request->error);
    item->kind->check(request, item->wanted, &planning->faults);
    return !planning->faults.count &&
           item->kind->write(request, WRITE_REPLACE, item->wanted, item->replicas_given, write,
                             &request->error);
}

static void run_items(struct request *request)
{
    struct planning *planning = request->planning;
    planning->group = txn_group_begin(request->parts->state);
    planning->left = 1;
    for (planning->at = 0; planning->at < planning->count && !planning->refused; planning->at++) {
        struct plan_item *item = &planning->items[planning->at];
        planning->left += item->op != PLAN_LOSE;
        if (item->op == PLAN_LOSE ? lose(request, item) : run_item(request, item))
            continue;
        planning->left -= item->op != PLAN_LOSE;
        planning->refused = true;
        break;
    }
    if (planning->refused)
        txn_group_abort(planning->group, &request->error);
    else
        txn_group_submit(planning->group);
    item_answered(request);
}

/* What is there, while `after` would be. */
static const struct record *present(const struct request *request, const struct record *after)
{
    const struct record *now = state_find(request->parts->state, STATE_HEAD, after);
    return now ? record_take_reference(now) : NULL;
}

void planning_take(void *argument, const struct error *error, const struct write_result *result)
{
    struct request *request = argument;
    struct planning *planning = request->planning;
    if (!planning) {
        planning = request->planning = arena_alloc(&request->arena, sizeof *planning);
        planning->count = planning->left = 1;
    }
    if (error && !planning->refused) {
        planning->refused = true;
        request->error = *error;
    } else if (!error && planning->making) {
        request->seq = state_settled_seq(request->parts->state);
    } else if (!error) {
        const struct record *record = result->record;
        planning->changes[planning->change_count++] =
            (struct plan_change){.before = present(request, record),
                                 .after = result->gone ? NULL : record_take_reference(record)};
    }
    item_answered(request);
}

void planning_begin(struct request *request)
{
    run_items(request);
}

void planning_make(struct request *request)
{
    struct planning *planning = request->planning;
    planning->making = true;
    run_items(request);
}

/* -- the answer -- */

static void made(struct request *request)
{
    text_append_format(&request->out, "{\"applied\":true,\"items\":%u,\"seq\":%llu}",
                       request->planning->count, (unsigned long long)request->seq);
    request_reply(request, 200);
}

static bool may_be_applied(const struct planning *planning)
{
    for (uint32_t i = 0; i < planning->count; i++)
        if (!planning->items || planning->items[i].op == PLAN_LOSE)
            return false;
    return true;
}

static void write_token(struct request *request, char parts[PLAN_PARTS][65])
{
    struct text *out = &request->out;
    struct loop *loop = request->api->loop;
    char expires[CLOCK_TEXT_BYTES];
    if (!may_be_applied(request->planning) || request->dry_run) {
        text_append_string(out, "\"token\":null,\"expiresAt\":null,");
        return;
    }
    char *body = json_dumps(request->body, JSON_COMPACT);
    const struct plan_token *token = plan_tokens_add(request->api->plan_tokens, loop, body, parts);
    free(body);
    clock_format_wall_ms(loop_wall_ms(loop) + PLAN_TOKEN_SECONDS * 1000, expires);
    text_append_format(out, "\"token\":\"%s\",\"expiresAt\":\"%s\",", token->text, expires);
}

static int64_t new_revision(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->change_count; i++) {
        const struct plan_change *change = &plan->changes[i];
        if (!change->after || change->after->kind->id != KIND_DEPLOYMENT)
            continue;
        int64_t before = change->before ? ((const struct deployment *)change->before)->revision : 0;
        int64_t after = ((const struct deployment *)change->after)->revision;
        if (before != after)
            return after;
    }
    return 0;
}

static void write_plan(struct request *request)
{
    const struct plan *plan = request->planning->plan;
    CLEANUP(text_finish) struct text body = {0};
    char parts[PLAN_PARTS][65];
    for (int i = 0; i < PLAN_PARTS; i++) {
        uint8_t digest[SHA256_BYTES];
        text_append_format(&body, ",\"%s\":", plan_part_names[i]);
        size_t begin = body.length;
        plan_write_part(plan, i, &request->arena, &body);
        hash_sha256(body.data + begin, body.length - begin, digest);
        hash_hex(digest, sizeof digest, parts[i]);
    }
    struct text *out = &request->out;
    text_append_char(out, '{');
    write_token(request, parts);
    text_append_format(out, "\"seq\":%llu,\"newRevision\":", (unsigned long long)plan->seq);
    if (new_revision(plan))
        text_append_int(out, new_revision(plan));
    else
        text_append_string(out, "null");
    text_append(out, body.data, body.length);
    text_append_string(out, ",\"warnings\":[");
    plan_write_warnings(plan, out);
    text_append_string(out, "]}");
    request_reply(request, 200);
}

static void planned(void *argument, struct plan *plan)
{
    struct request *request = argument;
    struct planning *planning = request->planning;
    planning->planner = NULL;
    planning->plan = plan;
    request->seq = plan->seq;
    request_to_api(request, planning->token ? plan_compare_and_make : write_plan);
}

static void plan(struct request *request)
{
    if (planning_read(request, request->body))
        request_to_loop(request, planning_begin);
}

static const char applied_schema[] =
    "{\"type\":\"object\",\"properties\":{\"applied\":{\"type\":\"boolean\"},\"items\":{\"type\":"
    "\"integer\"},\"seq\":{\"type\":\"integer\"}}}";
static const struct route routes[] = {
    ROUTE("POST", "/plan", plan, ROLE_VIEWER, .body = BODY_REQUIRED, .takes = &asked_plan_type,
          .example = "{\"items\":[{\"op\":\"scale\",\"kind\":\"deployments\",\"name\":\"web\","
                     "\"object\":{\"replicas\":2}}]}",
          .answers_schema = plan_schema, .no_dry_run = true, .audit = AUDIT_NOTHING,
          .summary = "What changes would do; nothing is changed"),
    ROUTE("POST", "/plan/{token}/apply", plan_apply, ROLE_OPERATOR, .body = BODY_OPTIONAL,
          .takes = &nothing_type, .answers_schema = applied_schema, .no_dry_run = true,
          .summary = "Make what was planned, if it would still do the same"),
};
const struct route_table routes_plan = ROUTE_TABLE(routes);
