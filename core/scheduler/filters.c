#include "scheduler/impl.h"

#include <orchestrator/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *filter_name(enum filter filter)
{
    switch (filter) {
    case FILTER_READY:
        return "ready";
    case FILTER_SCHEDULABLE:
        return "schedulable";
    case FILTER_FEATURES:
        return "features";
    case FILTER_CONSTRAINTS:
        return "constraints";
    case FILTER_MAX_PER_NODE:
        return "maxPerNode";
    case FILTER_PORTS:
        return "ports";
    case FILTER_CPU:
        return "cpu";
    case FILTER_MEMORY:
        return "memory";
    case FILTER_PLUGIN:
        return "plugin";
    case FILTER_COUNT:
        break;
    }
    return "";
}

static bool value_in(const struct list *values, const char *value)
{
    for (uint32_t i = 0; i < values->count; i++)
        if (strcmp(*LIST_AT(*values, const char *, i), value) == 0)
            return true;
    return false;
}

static bool compare_number(const char *value, const char *with, bool greater)
{
    char *end;
    long long number = strtoll(value, &end, 10), other = strtoll(with, NULL, 10);
    if (end == value || *end)
        return false;
    return greater ? number > other : number < other;
}

bool constraint_holds(const struct constraint *constraint, const struct list *labels)
{
    const char *value = map_get(labels, constraint->label);
    switch ((enum constraint_op)constraint->op) {
    case CONSTRAINT_IN:
        return value && value_in(&constraint->values, value);
    case CONSTRAINT_NOT_IN:
        return !value || !value_in(&constraint->values, value);
    case CONSTRAINT_EXISTS:
        return value != NULL;
    case CONSTRAINT_NOT_EXISTS:
        return !value;
    case CONSTRAINT_GREATER:
    case CONSTRAINT_LESS:
        return value && compare_number(value, *LIST_AT(constraint->values, const char *, 0),
                                       constraint->op == CONSTRAINT_GREATER);
    }
    return false;
}

#define SAY(verdict, ...)                                                                          \
    do {                                                                                           \
        if (verdict)                                                                               \
            snprintf((verdict)->message, sizeof(verdict)->message, __VA_ARGS__);                   \
    } while (0)

static bool passes_constraints(const struct filter_row *row, const struct ask *ask,
                               struct filter_verdict *verdict)
{
    const struct list *constraints = &ask->placement.constraints;
    for (uint32_t i = 0; i < constraints->count; i++) {
        const struct constraint *constraint = LIST_AT(*constraints, struct constraint, i);
        if (constraint_holds(constraint, &row->record->labels))
            continue;
        const char *value = map_get(&row->record->labels, constraint->label);
        SAY(verdict, "label %.60s is %.60s", constraint->label, value ? value : "missing");
        return false;
    }
    return row->closed != FILTER_CONSTRAINTS;
}

static bool passes_resource(const struct filter_row *row, const struct ask *ask, int resource,
                            struct filter_verdict *verdict)
{
    int64_t asked = ask->amounts[resource], left = row->free[resource];
    bool ok = asked == 0 || asked <= left;
    char a[SCHEMA_NUMBER_BYTES], f[SCHEMA_NUMBER_BYTES], s[SCHEMA_NUMBER_BYTES];
    if (!verdict)
        return ok;
    verdict->asked = asked;
    verdict->free = left;
    verdict->short_by = ok ? 0 : asked - left;
    char *(*format)(int64_t, char *) =
        resource == RESOURCE_CPU ? schema_format_cpu : schema_format_memory;
    if (!ok)
        SAY(verdict, "%s short by %s: %s asked, %s free",
            resource == RESOURCE_CPU ? "cpu" : "memory", format(asked - left, s), format(asked, a),
            format(left, f));
    return ok;
}

bool filter_passes(const struct filter_row *row, const struct ask *ask, enum filter filter,
                   struct filter_verdict *verdict)
{
    bool ok = true;
    switch (filter) {
    case FILTER_READY:
        ok = row->ready && row->closed != FILTER_READY;
        if (!ok)
            SAY(verdict, "the node is not ready");
        return ok;
    case FILTER_SCHEDULABLE:
        ok =
            row->record->schedulable && !row->record->draining && row->closed != FILTER_SCHEDULABLE;
        if (!ok)
            SAY(verdict, row->record->draining ? "the node is draining" : "the node is cordoned");
        return ok;
    case FILTER_FEATURES:
        ok = (ask->features & ~(uint64_t)row->record->features) == 0;
        if (!ok)
            SAY(verdict, "its runtime does not honour a setting that is asked for");
        return ok;
    case FILTER_CONSTRAINTS:
        return passes_constraints(row, ask, verdict);
    case FILTER_MAX_PER_NODE:
        ok = !ask->placement.max_per_node || row->replicas < ask->placement.max_per_node;
        if (!ok)
            SAY(verdict, "%u replicas are there, maxPerNode is %lld", row->replicas,
                (long long)ask->placement.max_per_node);
        return ok;
    case FILTER_PORTS:
        ok = !row->taken_port;
        if (!ok)
            SAY(verdict, "host port %lld is taken", (long long)row->taken_port);
        return ok;
    case FILTER_CPU:
        return passes_resource(row, ask, RESOURCE_CPU, verdict);
    case FILTER_MEMORY:
        return passes_resource(row, ask, RESOURCE_MEMORY, verdict);
    case FILTER_PLUGIN:
    case FILTER_COUNT:
        return true;
    }
    return true;
}

enum filter filter_first(const struct filter_row *row, const struct ask *ask)
{
    for (enum filter filter = FILTER_READY; filter < FILTER_PLUGIN; filter++)
        if (!filter_passes(row, ask, filter, NULL))
            return filter;
    return (enum filter)0;
}

static uint64_t features_of(const struct container_template *template)
{
    uint64_t features = 0;
    if (template->resources.cpu_limit_millis > 0)
        features |= ORCH_RUNTIME_CPU_LIMIT;
    if (template->security.read_only_root)
        features |= ORCH_RUNTIME_READ_ONLY_ROOT;
    for (uint32_t i = 0; i < template->ports.count; i++)
        if (LIST_AT(template->ports, struct container_port, i)->host_port != NUMBER_NULL)
            features |= ORCH_RUNTIME_HOST_PORTS;
    return features;
}

static bool asks_host_ports(const struct container_template *template)
{
    for (uint32_t i = 0; i < template->ports.count; i++)
        if (LIST_AT(template->ports, struct container_port, i)->host_port > 0)
            return true;
    return false;
}

void ask_borrow(struct ask *ask, const struct schedule_ask *from)
{
    const struct resources *resources = &from->template->resources;
    *ask = (struct ask){.deployment = from->deployment,
                        .uid = from->deployment_uid,
                        .only = from->only,
                        .placement = *from->placement,
                        .template = *from->template,
                        .count = from->count,
                        .seed = from->seed,
                        .amounts = {resources->cpu_millis, resources->memory_bytes, 1},
                        .features = features_of(from->template),
                        .assumed = from->assumed,
                        .host_ports = asks_host_ports(from->template)};
}

static const struct list *copy_names(const struct list *from, struct arena *arena)
{
    if (!from)
        return NULL;
    const char **names = arena_alloc(arena, ((size_t)from->count + 1) * sizeof *names);
    struct list *copy = arena_alloc(arena, sizeof *copy);
    for (uint32_t i = 0; i < from->count; i++)
        names[i] = arena_strdup(arena, *LIST_AT(*from, const char *, i));
    *copy = (struct list){.items = names, .count = from->count};
    return copy;
}

void ask_init(struct ask *ask, const struct schedule_ask *from, struct arena *arena)
{
    struct deployment holder = {.placement = *from->placement, .template = *from->template}, copy;
    schema_copy(&deployment_type, &holder, arena, &copy);
    struct schedule_ask owned = *from;
    owned.deployment = arena_strdup(arena, from->deployment);
    owned.deployment_uid = arena_strdup(arena, from->deployment_uid);
    owned.only = copy_names(from->only, arena);
    owned.placement = &copy.placement;
    owned.template = &copy.template;
    ask_borrow(ask, &owned);
}
