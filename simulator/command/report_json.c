/* The outcome for programs. Times in milliseconds, shares in thousandths. */
#include "base/clock.h"
#include "outcome.h"

#include <stdlib.h>
#include <string.h>

static json_t *ms(uint64_t ns)
{
    return ns == UINT64_MAX ? json_null() : json_integer((json_int_t)(ns / NS_PER_MS));
}

static void set(json_t *object, const char *name, json_t *take_value)
{
    json_object_set_new(object, name, take_value);
}

static void set_text(json_t *object, const char *name, const char *text)
{
    set(object, name, text ? json_string(text) : json_null());
}

static void set_number(json_t *object, const char *name, int64_t number)
{
    set(object, name, json_integer(number));
}

static json_t *deployments(const struct outcome_step *step)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < step->deployment_count; i++) {
        const struct outcome_deployment *one = &step->deployments[i];
        json_t *object = json_object();
        set_text(object, "name", one->name);
        set_text(object, "phase", one->phase);
        set_number(object, "desired", one->desired);
        set_number(object, "available", one->available);
        set_number(object, "mostMissing", one->worst);
        set(object, "missingForMs", ms(one->short_ns));
        set(object, "recoveredAfterMs", ms(one->whole_ns));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *moves(const struct outcome_step *step)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < step->move_count; i++) {
        json_t *object = json_object();
        set_text(object, "deployment", step->moves[i].deployment);
        set_text(object, "why", step->moves[i].why);
        set_text(object, "from", step->moves[i].from);
        set_text(object, "to", step->moves[i].to);
        json_array_append_new(list, object);
    }
    return list;
}

/* Those that came in nobody's place, or left for good. */
static json_t *counts(const struct outcome_step *step, bool came)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < step->count_count; i++) {
        const struct outcome_count *count = &step->counts[i];
        if (count->came != came)
            continue;
        json_t *object = json_object();
        set_text(object, "deployment", count->deployment);
        set_text(object, "why", count->why);
        set_number(object, "count", (int64_t)count->count);
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *unfit(const struct outcome_step *step)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < step->unfit_count; i++) {
        const struct outcome_unfit *one = &step->unfit[i];
        json_t *object = json_object(), *refusals = json_array();
        set_text(object, "deployment", one->deployment);
        set_number(object, "missing", one->missing);
        set_number(object, "nodes", one->nodes);
        for (int filter = FILTER_READY; filter < FILTER_COUNT; filter++) {
            const struct outcome_refusal *refusal = &one->refusals[filter];
            json_t *line = refusal->count ? json_object() : NULL;
            if (!line)
                continue;
            set_text(line, "filter", filter_name((enum filter)filter));
            set_number(line, "nodes", refusal->count);
            set_text(line, "nearest", refusal->node);
            set_number(line, "short", refusal->short_by);
            set_text(line, "message", refusal->message);
            json_array_append_new(refusals, line);
        }
        set(object, "refusals", refusals);
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *packing(const struct outcome_packing *from)
{
    static const char *const names[] = {"cpuMillis", "memoryBytes"};
    json_t *object = json_object();
    set_number(object, "nodes", from->nodes);
    set_number(object, "containers", from->containers);
    set_text(object, "largestReplica", from->largest);
    for (int i = 0; i < OUTCOME_RESOURCES; i++) {
        const struct outcome_resource *resource = &from->resources[i];
        json_t *one = json_object();
        set_number(one, "total", resource->total);
        set_number(one, "used", resource->used);
        set_number(one, "free", resource->free);
        set_number(one, "stranded", resource->stranded);
        set_number(one, "usedPerMille", resource->share);
        set_number(one, "emptiestPerMille", resource->emptiest);
        set_number(one, "fullestPerMille", resource->fullest);
        set_number(one, "deviationPerMille", resource->deviation);
        set_number(one, "fragmentedPerMille", resource->fragmented);
        set(object, names[i], one);
    }
    return object;
}

static json_t *step_object(const struct outcome_step *step)
{
    json_t *object = json_object(), *refused = json_array();
    for (uint32_t i = 0; i < step->refused_count; i++)
        json_array_append_new(refused, json_string(step->refused[i]));
    set(object, "atMs", ms(step->at_ns));
    set_text(object, "event", step->title);
    set(object, "refused", refused);
    set(object, "recoveredAfterMs", ms(step->whole_ns));
    set(object, "lastChangeAfterMs", ms(step->last_change_ns));
    set(object, "atRest", json_boolean(step->at_rest));
    set(object, "watchedMs", ms(step->watched_ns));
    set(object, "deployments", deployments(step));
    set(object, "replaced", moves(step));
    set(object, "came", counts(step, true));
    set(object, "ended", counts(step, false));
    set(object, "unfit", unfit(step));
    set(object, "packing", packing(&step->packing));
    return object;
}

static json_t *node_object(const struct outcome_node *node)
{
    json_t *object = json_object();
    set_text(object, "name", node->name);
    set_text(object, "state", node->state);
    set_number(object, "containers", node->containers);
    set_number(object, "cpuMillis", node->total.cpu_millis);
    set_number(object, "usedCpuMillis", node->used.cpu_millis);
    set_number(object, "memoryBytes", node->total.memory_bytes);
    set_number(object, "usedMemoryBytes", node->used.memory_bytes);
    return object;
}

void report_json(const struct outcome *outcome, struct text *out)
{
    json_t *object = json_object(), *steps = json_array(), *nodes = json_array();
    for (uint32_t i = 0; i < outcome->step_count; i++)
        json_array_append_new(steps, step_object(&outcome->steps[i]));
    for (uint32_t i = 0; i < outcome->node_count; i++)
        json_array_append_new(nodes, node_object(&outcome->nodes[i]));
    set(object, "simulatedMs", ms(outcome->simulated_ns));
    set_number(object, "containersMade", (int64_t)outcome->containers_made);
    set_text(object, "scheduler", outcome->scheduler);
    set(object, "steps", steps);
    set(object, "nodes", nodes);
    char *text = json_dumps(object, JSON_INDENT(2));
    text_append_string(out, text ? text : "");
    text_append_char(out, '\n');
    free(text);
    json_decref(object);
}
