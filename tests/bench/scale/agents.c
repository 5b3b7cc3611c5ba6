/* Simulated agents: they speak the node link's messages and no more. What is assigned runs and is
 * ready at once; what is to stop is gone at once. Each says every second that it is there, whatever
 * the loop's turns take, and comes back when the server closes its link. */
#include "scale.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BEAT_NS = 5 * NS_PER_MS, ID_BYTES = 80 };

struct agent {
    struct fleet *fleet;
    struct link_end *end;
    uint32_t number;
    int64_t assignment_version;
    struct text ids; /* one a line */
};
struct fleet {
    struct loop *loop;
    struct loop_timer heartbeat;
    struct node_registry *registry;
    uint64_t spent_ns, addresses;
    uint64_t begun_ns, beats; /* since then, so many */
    uint32_t count, next, returns;
    struct agent agents[];
};

void fleet_name(uint32_t node, char out[32])
{
    snprintf(out, 32, "node-%05" PRIu32, node);
}

void fleet_zone(uint32_t node, char out[32])
{
    snprintf(out, 32, "zone-%u", node % ZONES);
}

/* Refused: the server has closed the link, and the word of that is on its way. */
static void say(struct agent *agent, const struct text *text)
{
    if (agent->end)
        (void)link_send(agent->end, text->data, text->length);
}

static void add_running(struct agent *agent, struct text *out, const char *id, size_t length)
{
    uint64_t address = agent->fleet->addresses++;
    uint64_t mixed = address * UINT64_C(0x9e3779b97f4a7c15);
    text_append_format(out,
                       "%s{\"id\":\"%.*s\",\"incarnation\":1,\"state\":\"running\",\"ready\":true,"
                       "\"address\":\"10.%u.%u.%u\",\"runtimeId\":\"%016" PRIx64 "%016" PRIx64
                       "%016" PRIx64 "%016" PRIx64 "\",\"exitCode\":null,\"startedAt\":%lld}",
                       out->data[out->length - 1] == '[' ? "" : ",", (int)length, id,
                       (unsigned)(address >> 16 & 255), (unsigned)(address >> 8 & 255),
                       (unsigned)(address & 255), mixed, mixed ^ 1, mixed ^ 2, mixed ^ 3,
                       (long long)loop_wall_ms(agent->fleet->loop));
}

static void forget(struct agent *agent, const char *id, size_t length)
{
    struct text *ids = &agent->ids;
    for (char *at = ids->data; at && *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, id, length) != 0 || at[length] != '\n')
            continue;
        size_t behind = ids->length - (size_t)(at - ids->data) - length - 1;
        memmove(at, at + length + 1, behind + 1);
        ids->length -= length + 1;
        return;
    }
}

static bool knows(const struct agent *agent, const char *id, size_t length)
{
    char line[ID_BYTES + 2];
    snprintf(line, sizeof line, "%.*s\n", (int)length, id);
    return agent->ids.length && strstr(agent->ids.data, line);
}

/* "containers":[{"id":"...", ...}, ...] without a parser: ids hold nothing that needs escaping. */
static void take_containers(struct agent *agent, const char *at, const char *end,
                            struct text *running, struct text *gone)
{
    static const char mark[] = "{\"id\":\"", stop[] = "\"intent\":\"stop\"";
    const char *object = memmem(at, (size_t)(end - at), mark, sizeof mark - 1);
    while (object) {
        const char *id = object + sizeof mark - 1, *close = strchr(id, '"');
        const char *next = memmem(close, (size_t)(end - close), mark, sizeof mark - 1);
        size_t length = (size_t)(close - id);
        if (memmem(close, (size_t)((next ? next : end) - close), stop, sizeof stop - 1)) {
            text_append_format(gone, "%s\"%.*s\"", gone->data[gone->length - 1] == '[' ? "" : ",",
                               (int)length, id);
            forget(agent, id, length);
        } else {
            if (!knows(agent, id, length)) {
                text_append(&agent->ids, id, length);
                text_append_char(&agent->ids, '\n');
            }
            add_running(agent, running, id, length);
        }
        object = next;
    }
}

static void take_assignment(struct agent *agent, const char *json, size_t length)
{
    static const char mark[] = "\"containers\":[{\"id\"", removed_mark[] = "\"removed\":[";
    CLEANUP(text_finish) struct text running = {0};
    CLEANUP(text_finish) struct text gone = {0};
    const char *end = json + length;
    const char *containers = memmem(json, length, mark, sizeof mark - 1);
    const char *removed =
        memmem(containers ? containers : json, (size_t)(end - (containers ? containers : json)),
               removed_mark, sizeof removed_mark - 1);
    agent->assignment_version++;
    text_append_format(&running, "{\"report\":{\"containers\":[");
    text_append_string(&gone, "\"gone\":[");
    if (containers)
        take_containers(agent, containers, removed ? removed : end, &running, &gone);
    if (!containers && !removed)
        return;
    text_append_format(&running, "],%s],\"assignmentVersion\":%lld}}", gone.data,
                       (long long)agent->assignment_version);
    say(agent, &running);
}

static void received(void *argument, const char *json, size_t length)
{
    static const char assignment[] = "{\"assignment\":";
    struct agent *agent = argument;
    uint64_t begun = bench_now_ns();
    if (length > sizeof assignment && memcmp(json, assignment, sizeof assignment - 1) == 0)
        take_assignment(agent, json, length);
    agent->fleet->spent_ns += bench_now_ns() - begun;
}

static void closed(void *argument)
{
    struct agent *agent = argument;
    link_close(agent->end);
    agent->end = NULL;
}

static void introduce(struct agent *agent)
{
    CLEANUP(text_finish) struct text text = {0};
    char name[32], zone[32];
    fleet_name(agent->number, name);
    fleet_zone(agent->number, zone);
    text_append_format(
        &text,
        "{\"report\":{\"node\":\"%s\",\"full\":true,\"nodeRecord\":[{\"name\":\"%s\","
        "\"address\":\"10.0.0.1\",\"labels\":{\"zone\":\"%s\"},\"schedulable\":true,"
        "\"capacity\":{\"cpu\":%d,\"memory\":%lld},"
        "\"runtime\":{\"plugin\":\"docker\",\"version\":\"1\"},\"features\":255}],"
        "\"containers\":[",
        name, name, zone, NODE_CPU_MILLIS, (long long)NODE_MEMORY_BYTES);
    for (const char *at = agent->ids.data; at && *at; at = strchr(at, '\n') + 1)
        add_running(agent, &text, at, (size_t)(strchr(at, '\n') - at));
    text_append_string(&text, "]}}");
    say(agent, &text);
}

static void attach(struct agent *agent)
{
    struct link_end *server_end;
    agent->assignment_version = 0;
    link_pair_create(agent->fleet->loop, &server_end, &agent->end);
    node_registry_attach(agent->fleet->registry, server_end);
    link_set_receiver(agent->end, (struct link_receiver){
                                      .message = received, .closed = closed, .argument = agent});
    introduce(agent);
}

static void beat(void *argument)
{
    struct fleet *fleet = argument;
    uint64_t begun = bench_now_ns();
    uint64_t due = (loop_now_ns(fleet->loop) - fleet->begun_ns) / (NS_PER_SECOND / fleet->count);
    CLEANUP(text_finish) struct text text = {0};
    text_append_string(&text, "{\"report\":{\"heartbeat\":true}}");
    if (due > fleet->beats + fleet->count)
        fleet->beats = due - fleet->count; /* one of each says it all */
    for (; fleet->beats < due; fleet->beats++) {
        struct agent *agent = &fleet->agents[fleet->next++ % fleet->count];
        if (agent->end) {
            say(agent, &text);
            continue;
        }
        fleet->returns++;
        attach(agent);
    }
    loop_timer_start(&fleet->heartbeat, BEAT_NS);
    fleet->spent_ns += bench_now_ns() - begun;
}

static void remember(struct fleet *fleet, const char *file)
{
    FILE *from = file ? fopen(file, "r") : NULL;
    unsigned number;
    char id[ID_BYTES];
    while (from && fscanf(from, "%u %79s", &number, id) == 2) {
        text_append_string(&fleet->agents[number].ids, id);
        text_append_char(&fleet->agents[number].ids, '\n');
    }
    if (from)
        fclose(from);
}

struct fleet *fleet_create(struct loop *loop, uint32_t nodes, const char *remembered)
{
    struct fleet *fleet = memory_alloc(sizeof *fleet + nodes * sizeof fleet->agents[0]);
    fleet->loop = loop;
    fleet->count = nodes;
    for (uint32_t i = 0; i < nodes; i++)
        fleet->agents[i] = (struct agent){.fleet = fleet, .number = i};
    remember(fleet, remembered);
    loop_timer_init(&fleet->heartbeat, loop, "agents", beat, fleet);
    return fleet;
}

void fleet_attach(struct fleet *fleet, struct node_registry *registry)
{
    uint64_t begun = bench_now_ns();
    fleet->registry = registry;
    fleet->begun_ns = loop_now_ns(fleet->loop);
    for (uint32_t i = 0; i < fleet->count; i++)
        attach(&fleet->agents[i]);
    loop_timer_start(&fleet->heartbeat, BEAT_NS);
    fleet->spent_ns += bench_now_ns() - begun;
}

uint32_t fleet_returns(const struct fleet *fleet)
{
    return fleet->returns;
}

double fleet_seconds(const struct fleet *fleet)
{
    return (double)fleet->spent_ns / 1e9;
}

uint64_t fleet_bytes(const struct fleet *fleet)
{
    uint64_t bytes = sizeof *fleet + fleet->count * sizeof fleet->agents[0];
    for (uint32_t i = 0; i < fleet->count; i++)
        bytes += fleet->agents[i].ids.capacity;
    return bytes;
}

void fleet_save(const struct fleet *fleet, const char *file)
{
    FILE *to = fopen(file, "w");
    for (uint32_t i = 0; to && i < fleet->count; i++)
        for (const char *at = fleet->agents[i].ids.data; at && *at; at = strchr(at, '\n') + 1)
            fprintf(to, "%u %.*s\n", i, (int)(strchr(at, '\n') - at), at);
    if (to)
        fclose(to);
}

void fleet_destroy(struct fleet *fleet)
{
    loop_timer_stop(&fleet->heartbeat);
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (fleet->agents[i].end)
            link_close(fleet->agents[i].end);
        text_finish(&fleet->agents[i].ids);
    }
    free(fleet);
}
