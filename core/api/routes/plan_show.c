/* A plan as JSON. */
#include "api/routes/plan.h"

#include <stdlib.h>
#include <string.h>

const char *const plan_part_names[] = {"changes", "revisions", "start",
                                       "stop",    "unplaced",  "services"};

static void write_string(struct text *out, const char *text)
{
    if (text)
        text_append_json(out, text, strlen(text));
    else
        text_append_string(out, "null");
}

static void write_member(struct text *out, const char *before, const char *text)
{
    text_append_string(out, before);
    write_string(out, text);
}

/* -- changes -- */

/* What users declare of it, and what their actions change. */
static json_t *form_of(const struct record *record, bool lost)
{
    CLEANUP(text_finish) struct text text = {0};
    json_t *form;
    switch (record->kind->id) {
    case KIND_DEPLOYMENT: {
        const struct deployment *deployment = (const struct deployment *)record;
        schema_write(&deployment_type, deployment, SCHEMA_DECLARED, &text);
        form = json_loadb(text.data, text.length, 0, NULL);
        json_object_set_new(form, "paused", json_boolean(deployment->paused));
        json_object_set_new(form, "deleting", json_boolean(deployment->deleting));
        return form;
    }
    case KIND_SERVICE:
        schema_write(&service_type, record, SCHEMA_DECLARED, &text);
        return json_loadb(text.data, text.length, 0, NULL);
    case KIND_NODE: {
        const struct node *node = (const struct node *)record;
        schema_write(&node_type, node, SCHEMA_DECLARED, &text);
        form = json_loadb(text.data, text.length, 0, NULL);
        json_object_set_new(form, "schedulable", json_boolean(node->schedulable));
        json_object_set_new(form, "draining", json_boolean(node->draining));
        json_object_set_new(form, "lost", json_boolean(lost));
        return form;
    }
    case KIND_CONTAINER: {
        const struct container *container = (const struct container *)record;
        return json_pack("{s:b, s:I}", "stopping", container->intent == INTENT_STOP, "incarnation",
                         (json_int_t)container->incarnation);
    }
    default:
        return NULL;
    }
}

static const char *object_name(const struct record *record, struct arena *arena)
{
    switch (record->kind->id) {
    case KIND_DEPLOYMENT:
        return arena_format(arena, "deployments/%s", ((const struct deployment *)record)->name);
    case KIND_SERVICE:
        return arena_format(arena, "services/%s", ((const struct service *)record)->name);
    case KIND_NODE:
        return arena_format(arena, "nodes/%s", ((const struct node *)record)->name);
    default:
        return arena_format(arena, "containers/%s", ((const struct container *)record)->id);
    }
}

static void write_changes_of(const struct plan_change *change, struct arena *arena, bool *first,
                             struct text *out)
{
    const char *object = object_name(change->after ? change->after : change->before, arena);
    json_t *from = change->before ? form_of(change->before, false) : NULL;
    json_t *to = change->after ? form_of(change->after, change->lost) : NULL;
    struct list rows = changes_of(from, to, arena);
    for (uint32_t i = 0; i < rows.count; i++) {
        const struct change *row = LIST_AT(rows, struct change, i);
        write_member(out, *first ? "{\"object\":" : ",{\"object\":", object);
        write_member(out, ",\"path\":", row->path);
        text_append_format(out, ",\"from\":%s,\"to\":", row->from);
        text_append_string(out, row->to);
        text_append_char(out, '}');
        *first = false;
    }
    json_decref(from);
    json_decref(to);
}

static void write_changes(const struct plan *plan, struct arena *arena, struct text *out)
{
    bool first = true;
    for (uint32_t i = 0; i < plan->change_count; i++)
        write_changes_of(&plan->changes[i], arena, &first, out);
}

static void write_revisions(const struct plan *plan, struct arena *arena, struct text *out)
{
    bool first = true;
    (void)arena;
    for (uint32_t i = 0; i < plan->change_count; i++) {
        const struct plan_change *change = &plan->changes[i];
        if (!change->after || change->after->kind->id != KIND_DEPLOYMENT)
            continue;
        const struct deployment *before = (const struct deployment *)change->before;
        const struct deployment *after = (const struct deployment *)change->after;
        if (before && before->revision == after->revision)
            continue;
        write_member(out, first ? "{\"deployment\":" : ",{\"deployment\":", after->name);
        text_append_format(out, ",\"revision\":%lld}", (long long)after->revision);
        first = false;
    }
}

/* -- lists -- */

static void write_starts(const struct plan *plan, struct arena *arena, struct text *out)
{
    (void)arena;
    for (uint32_t i = 0; i < plan->start_count; i++) {
        const struct plan_start *start = &plan->starts[i];
        write_member(out, i ? ",{\"deployment\":" : "{\"deployment\":", start->deployment);
        text_append_format(out, ",\"slot\":%lld", (long long)start->slot);
        write_member(out, ",\"node\":", start->node);
        text_append_format(out, ",\"step\":%u}", start->step);
    }
}

static void write_stops(const struct plan *plan, struct arena *arena, struct text *out)
{
    (void)arena;
    for (uint32_t i = 0; i < plan->stop_count; i++) {
        const struct plan_stop *stop = &plan->stops[i];
        write_member(out, i ? ",{\"deployment\":" : "{\"deployment\":", stop->deployment);
        write_member(out, ",\"container\":", stop->container);
        write_member(out, ",\"node\":", stop->node);
        write_member(out, ",\"reason\":", stop->reason);
        text_append_format(out, ",\"step\":%u}", stop->step);
    }
}

static void write_unplaced(const struct plan *plan, struct arena *arena, struct text *out)
{
    (void)arena;
    for (uint32_t i = 0; i < plan->unplaced_count; i++) {
        const struct plan_unplaced *unplaced = &plan->unplaced[i];
        write_member(out, i ? ",{\"deployment\":" : "{\"deployment\":", unplaced->deployment);
        text_append_format(out, ",\"slot\":%lld", (long long)unplaced->slot);
        write_member(out, ",\"why\":", unplaced->why);
        if (unplaced->nearest_node) {
            write_member(out, ",\"nearest\":{\"node\":", unplaced->nearest_node);
            write_member(out, ",\"message\":", unplaced->nearest);
            text_append_string(out, "}}");
        } else {
            text_append_string(out, ",\"nearest\":null}");
        }
    }
}

static void write_services(const struct plan *plan, struct arena *arena, struct text *out)
{
    (void)arena;
    for (uint32_t i = 0; i < plan->service_count; i++) {
        const struct plan_service *service = &plan->services[i];
        write_member(out, i ? ",{\"name\":" : "{\"name\":", service->name);
        write_member(out, ",\"deployment\":", service->deployment);
        text_append_format(out, ",\"ready\":%lld,\"readyAtLeast\":%lld}", (long long)service->ready,
                           (long long)service->ready_at_least);
    }
}

void plan_write_part(const struct plan *plan, int part, struct arena *arena, struct text *out)
{
    static void (*const writers[PLAN_PARTS])(const struct plan *, struct arena *, struct text *) = {
        write_changes, write_revisions, write_starts, write_stops, write_unplaced, write_services};
    text_append_char(out, '[');
    writers[part](plan, arena, out);
    text_append_char(out, ']');
}

void plan_write_warnings(const struct plan *plan, struct text *out)
{
    for (uint32_t i = 0; i < plan->warning_count; i++)
        write_member(out, i ? "," : "", plan->warnings[i]);
}

#define ROWS(members)                                                                              \
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{" members "}}}"
#define TEXT(name) "\"" name "\":{\"type\":\"string\"}"
#define NUMBER(name) "\"" name "\":{\"type\":\"integer\"}"
/* clang-format off */
const char plan_schema[] =
    "{\"type\":\"object\",\"required\":[\"token\",\"expiresAt\",\"seq\",\"changes\",\"newRevision\","
    "\"revisions\",\"start\",\"stop\",\"unplaced\",\"services\",\"warnings\"],\"properties\":{"
    "\"token\":{\"type\":[\"string\",\"null\"]},"
    "\"expiresAt\":{\"type\":[\"string\",\"null\"]},"
    NUMBER("seq") ","
    "\"newRevision\":{\"type\":[\"integer\",\"null\"]},"
    "\"changes\":" ROWS(TEXT("object") "," TEXT("path") ",\"from\":{},\"to\":{}") ","
    "\"revisions\":" ROWS(TEXT("deployment") "," NUMBER("revision")) ","
    "\"start\":" ROWS(TEXT("deployment") "," NUMBER("slot") "," TEXT("node") "," NUMBER("step")) ","
    "\"stop\":" ROWS(TEXT("deployment") "," TEXT("container") "," TEXT("node") "," TEXT("reason")
                     "," NUMBER("step")) ","
    "\"unplaced\":" ROWS(TEXT("deployment") "," NUMBER("slot") "," TEXT("why")
                         ",\"nearest\":{\"type\":[\"object\",\"null\"]}") ","
    "\"services\":" ROWS(TEXT("name") "," TEXT("deployment") "," NUMBER("ready") ","
                         NUMBER("readyAtLeast")) ","
    "\"warnings\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}";
/* clang-format on */
