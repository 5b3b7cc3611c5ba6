#include "agent/impl.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit *agent_unit(struct agent *agent, const char *id)
{
    struct unit *unit = NULL;
    HASH_FIND_STR(agent->units, id, unit);
    return unit;
}

void agent_look_all(struct agent *agent)
{
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        unit_look(unit);
    }
    template_look_held(agent);
}

/* Another server may listen now, or one that has not made durable what it was told; it counts
 * tables anew. */
static void agent_forget_told(struct agent *agent)
{
    agent->table_acknowledged = agent->table_version = agent->version_count = 0;
    for (struct drained_note *note = agent->drained; note; note = note->next)
        note->drain.table_version = 0;
}

static void ask_engine(void *argument);

void agent_runtime_is(struct agent *agent, bool up, const char *message)
{
    bool changed = agent->runtime_up != up;
    agent->runtime_up = up;
    snprintf(agent->runtime_message, sizeof agent->runtime_message, "%s", message);
    if (!up && !loop_timer_armed(&agent->info_timer))
        loop_timer_start(&agent->info_timer, NS_PER_SECOND);
    if (!changed)
        return;
    if (!up)
        LOG_WARN("the engine does not answer; containers stay as they are",
                 LOG_STR("message", message));
    else if (agent->listed)
        LOG_INFO("the engine answers again");
    report_arrange(agent);
    if (up)
        agent_look_all(agent);
}

static void take_info(struct agent *agent, const struct orch_runtime_info *info)
{
    struct arena *arena = &agent->node_arena;
    agent->node = (struct node){
        .name = arena_strdup(arena, agent->config.node_name),
        .address = arena_strdup(arena, agent->config.address),
        .labels = agent->config.labels,
        .schedulable = true,
        .capacity = {.cpu_millis = (int64_t)info->cpu_millis,
                     .memory_bytes = (int64_t)info->memory_bytes},
        .reserved = agent->config.reserved,
        .runtime = {.plugin = arena_strdup(arena, agent->config.runtime_name),
                    .version = arena_strndup(arena, info->version.ptr ? info->version.ptr : "",
                                             info->version.len)},
        .features = (int64_t)info->features};
    agent->max_operations = agent->config.max_operations ? agent->config.max_operations
                            : info->max_operations       ? info->max_operations
                                                         : 8;
}

static void info_known(void *argument, orch_status status, const struct error *error,
                       const struct orch_runtime_info *info)
{
    struct pending *pending = argument;
    struct agent *agent = pending->agent;
    pending_end(pending);
    free(pending);
    if (status != ORCH_OK) {
        agent_runtime_is(agent, false, error->message);
        return;
    }
    if (!agent->node.name)
        take_info(agent, info);
    /* One that was away may have ended what ran, and gives its addresses anew: only a list tells.
     */
    if (!agent->list_count)
        agent_runtime_is(agent, true, "");
    report_due(agent);
    observe_start(agent);
    observe_want_list(agent);
}

static void ask_engine(void *argument)
{
    struct agent *agent = argument;
    struct pending *pending = memory_alloc(sizeof *pending);
    pending_add(agent, pending);
    pending->call = runtime_info(agent->runtime, loop_now_ns(agent->loop) + 5 * NS_PER_SECOND,
                                 info_known, pending);
}

const struct probe_figures *agent_probe_figures(const struct agent *agent)
{
    return &agent->probes;
}

struct agent *agent_create(const struct agent_config *config, struct error *error)
{
    struct agent *agent = memory_alloc(sizeof *agent);
    (void)error;
    agent->config = *config;
    agent->loop = config->loop;
    agent->runtime = config->runtime;
    agent->max_operations = 8;
    if (!agent->config.heartbeat_ns)
        agent->config.heartbeat_ns = NS_PER_SECOND;
    if (!agent->config.relist_ns)
        agent->config.relist_ns = 10 * NS_PER_SECOND;
    loop_timer_init(&agent->info_timer, agent->loop, "engine", ask_engine, agent);
    loop_timer_init(&agent->report_timer, agent->loop, "report", report_due, agent);
    loop_timer_init(&agent->heartbeat, agent->loop, "heartbeat", heartbeat_due, agent);
    table_init(agent);
    observe_init(agent);
    keep_load(agent);
    loop_timer_start(&agent->info_timer, 0);
    loop_timer_start(&agent->heartbeat, agent->config.heartbeat_ns);
    return agent;
}

static void received(void *argument, const char *json, size_t length)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct agent *agent = argument;
    struct message message = {0};
    struct error error;
    if (!schema_read_stored(&message_type, json, length, &arena, &message, &error)) {
        LOG_ERROR("the server sent what is no message", LOG_STR("error", error.message));
        return;
    }
    if (message.assignment) {
        assign_take(agent, message.assignment);
        FAILPOINT(assignment_taken);
    }
    if (message.table) {
        table_take(agent, message.table);
        FAILPOINT(table_taken);
    }
}

static void closed(void *argument)
{
    struct agent *agent = argument;
    link_close(agent->link);
    agent->link = NULL;
}

void agent_attach(struct agent *agent, struct link_end *take_end)
{
    if (agent->link)
        link_close(agent->link);
    agent->link = take_end;
    agent->introduced = agent->full_sent = false;
    agent_forget_told(agent);
    link_set_receiver(
        take_end, (struct link_receiver){.message = received, .closed = closed, .argument = agent});
    report_arrange(agent);
}

void agent_destroy(struct agent *agent)
{
    struct unit *unit, *next;
    if (!agent)
        return;
    observe_stop(agent);
    pending_drop_all(agent);
    stray_finish_all(agent);
    loop_timer_stop(&agent->info_timer);
    if (agent->config.feed)
        proxy_feed_set_callbacks(agent->config.feed, &(struct feed_callbacks){0});
    if (agent->link)
        link_close(agent->link);
    HASH_ITER(hh, agent->units, unit, next)
    {
        unit_destroy(unit);
    }
    template_free_all(agent);
    table_finish(agent);
    report_finish(agent);
    keep_finish(agent);
    arena_finish(&agent->node_arena);
    free(agent);
}

const char *agent_runtime_id(struct agent *agent, const char *container_id, bool previous)
{
    struct unit *unit = agent_unit(agent, container_id);
    if (!unit)
        return NULL;
    if (previous)
        return unit->previous_id[0] ? unit->previous_id : NULL;
    return unit->runtime_id[0] ? unit->runtime_id : unit->previous_id[0] ? unit->previous_id : NULL;
}

uint32_t agent_running(const struct agent *agent, struct agent_running *out, uint32_t room)
{
    uint32_t count = 0;
    for (const struct unit *unit = agent->units; unit && count < room; unit = unit->hh.next) {
        if (unit->phase != UNIT_RUNNING || !unit->runtime_id[0])
            continue;
        memcpy(out[count].id, unit->id, sizeof unit->id);
        memcpy(out[count++].runtime_id, unit->runtime_id, sizeof unit->runtime_id);
    }
    return count;
}

bool agent_ready(const struct agent *agent, const char **why)
{
    *why = !agent->runtime_up ? agent->runtime_message
           : !agent->listed   ? "the engine's containers have not been listed yet"
                              : NULL;
    return !*why;
}
