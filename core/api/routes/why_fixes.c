/* The smallest changes by which one more replica would fit, as sentences and as the PATCH or action
 * that makes them. */
#include "api/routes/why.h"

#include <string.h>

struct fixes {
    struct text *out;
    bool any;
};

/* `patch`, `action`: JSON; NULL: none. */
static void write_fix(struct fixes *fixes, const struct text *message, const char *patch,
                      const char *action)
{
    text_append_string(fixes->out, fixes->any ? ",{\"message\":" : "{\"message\":");
    text_append_json(fixes->out, text_string(message), message->length);
    text_append_format(fixes->out, ",\"patch\":%s,\"action\":%s}", patch ? patch : "null",
                       action ? action : "null");
    fixes->any = true;
}

static void fix_by_asking_less(struct fixes *fixes, const struct why *why)
{
    const struct remedies *remedies = &why->remedies;
    const struct resources *asked = &why->deployment->template.resources;
    CLEANUP(text_finish) struct text message = {0}, patch = {0};
    char amount[SCHEMA_NUMBER_BYTES];
    const char *separator = "";
    if (!remedies->smaller_node[0])
        return;
    text_append_string(&message, "fits if ");
    text_append_string(&patch, "{\"resources\":{");
    if (remedies->cpu_millis < asked->cpu_millis) {
        schema_format_cpu(remedies->cpu_millis, amount);
        text_append_format(&message, "cpu <= %s", amount);
        text_append_format(&patch, "\"cpu\":\"%s\"", amount);
        separator = ",";
    }
    if (remedies->memory_bytes < asked->memory_bytes) {
        schema_format_memory(remedies->memory_bytes, amount);
        text_append_format(&message, "%smemory <= %s", *separator ? " and " : "", amount);
        text_append_format(&patch, "%s\"memory\":\"%s\"", separator, amount);
    }
    text_append_format(&message, " (on %s)", remedies->smaller_node);
    text_append_string(&patch, "}}");
    write_fix(fixes, &message, text_string(&patch), NULL);
}

static void fix_by_opening(struct fixes *fixes, const struct why *why)
{
    const struct remedies *remedies = &why->remedies;
    for (uint32_t i = 0; i < remedies->closed_count && i < REMEDY_NODES; i++) {
        CLEANUP(text_finish) struct text message = {0}, action = {0};
        text_append_format(&message, "fits if %s is uncordoned", remedies->closed[i]);
        text_append_format(&action, "{\"method\":\"POST\",\"path\":\"/api/v1/nodes/%s/uncordon\"}",
                           remedies->closed[i]);
        write_fix(fixes, &message, NULL, text_string(&action));
    }
}

static void write_placement_patch(const struct placement *placement, struct text *out)
{
    text_append_string(out, "{\"placement\":");
    schema_write(&placement_type, placement, SCHEMA_DECLARED, out);
    text_append_char(out, '}');
}

static void fix_by_constraint(struct fixes *fixes, const struct why *why)
{
    const struct list *all = &why->deployment->placement.constraints;
    for (uint32_t i = 0; i < all->count && i < REMEDY_CONSTRAINTS; i++) {
        CLEANUP(text_finish) struct text message = {0}, patch = {0};
        struct constraint kept[REMEDY_CONSTRAINTS];
        struct placement placement = why->deployment->placement;
        uint32_t nodes = why->remedies.without_constraint[i];
        if (!nodes || all->count > REMEDY_CONSTRAINTS)
            continue;
        for (uint32_t j = 0; j + 1 < all->count; j++)
            kept[j] = *LIST_AT(*all, struct constraint, j < i ? j : j + 1);
        placement.constraints = (struct list){.items = kept, .count = all->count - 1};
        text_append_format(&message, "fits on %u node%s without the constraint on label %s", nodes,
                           nodes == 1 ? "" : "s", LIST_AT(*all, struct constraint, i)->label);
        write_placement_patch(&placement, &patch);
        write_fix(fixes, &message, text_string(&patch), NULL);
    }
}

static void fix_by_more_per_node(struct fixes *fixes, const struct why *why)
{
    CLEANUP(text_finish) struct text message = {0}, patch = {0};
    struct placement placement = why->deployment->placement;
    if (!why->remedies.max_per_node)
        return;
    placement.max_per_node = why->remedies.max_per_node;
    text_append_format(&message, "fits if maxPerNode >= %lld", (long long)placement.max_per_node);
    write_placement_patch(&placement, &patch);
    write_fix(fixes, &message, text_string(&patch), NULL);
}

static void fix_by_ports(struct fixes *fixes, const struct why *why)
{
    CLEANUP(text_finish) struct text message = {0}, patch = {0};
    const struct list *ports = &why->deployment->template.ports;
    uint32_t nodes = why->remedies.without_host_ports;
    if (!nodes)
        return;
    text_append_format(&message, "fits on %u node%s without fixed host ports", nodes,
                       nodes == 1 ? "" : "s");
    text_append_string(&patch, "{\"ports\":[");
    for (uint32_t i = 0; i < ports->count; i++) {
        struct container_port port = *LIST_AT(*ports, struct container_port, i);
        port.host_port = NUMBER_NULL;
        text_append_string(&patch, i ? "," : "");
        schema_write(&container_port_type, &port, SCHEMA_DECLARED, &patch);
    }
    text_append_string(&patch, "]}");
    write_fix(fixes, &message, text_string(&patch), NULL);
}

void why_write_fixes(const struct why *why, struct text *out)
{
    struct fixes fixes = {.out = out};
    if (why->fit_count)
        return; /* one more fits as it is */
    fix_by_asking_less(&fixes, why);
    fix_by_opening(&fixes, why);
    fix_by_constraint(&fixes, why);
    fix_by_more_per_node(&fixes, why);
    fix_by_ports(&fixes, why);
}
