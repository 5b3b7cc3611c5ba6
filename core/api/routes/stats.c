/* GET /stats and /containers/ID/stats: what containers use, now and over the last quarter of an
 * hour, from the agent's series. */
#include "agent/agent.h"
#include "agent/usage.h"
#include "api/routes/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_NS (USAGE_STEP_SECONDS * NS_PER_SECOND)
enum { ITEMS = 500 }; /* in a reply: making it takes no long turn */
#define LONGEST_NS (USAGE_POINTS * STEP_NS)

struct stats_query {
    uint64_t since_ns, step_ns;
    const char *deployment, *node;
};
struct stats_view { /* in the arena */
    struct stats_query query;
    uint64_t last, buckets, width; /* number of the latest step; how many points, steps of each */
    int64_t from_ms;               /* of the first point's begin */
    uint32_t count, total;
    const char **objects;
    struct usage_point **points; /* of each: `buckets` */
    struct usage_point *now;
};

#define FIGURES                                                                                    \
    "\"cpuMillis\":{\"type\":\"integer\"},\"memoryBytes\":{\"type\":\"integer\"},"                 \
    "\"networkInBytesPerSecond\":{\"type\":\"integer\"},"                                          \
    "\"networkOutBytesPerSecond\":{\"type\":\"integer\"}"
#define SERIES                                                                                     \
    "{\"type\":\"array\",\"items\":{\"type\":[\"integer\",\"null\"]},\"description\":\"From the "  \
    "oldest; null: not known.\"}"
#define STATS_ITEM                                                                                 \
    "{\"type\":\"object\",\"required\":[\"object\",\"name\",\"cpuMillis\",\"memoryBytes\","        \
    "\"networkInBytesPerSecond\",\"networkOutBytesPerSecond\",\"series\"],\"properties\":{"        \
    "\"object\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"}," FIGURES                     \
    ",\"series\":{\"type\":\"object\",\"required\":[\"from\",\"step\",\"cpuMillis\"],"             \
    "\"properties\":{\"from\":{\"type\":\"string\",\"format\":\"date-time\"},"                     \
    "\"step\":{\"type\":\"string\"},\"cpuMillis\":" SERIES ",\"memoryBytes\":" SERIES              \
    ",\"networkInBytesPerSecond\":" SERIES ",\"networkOutBytesPerSecond\":" SERIES "}}}}"
const char stats_item_schema[] = STATS_ITEM;
const char stats_schema[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"next\",\"total\",\"seq\"],\"properties\":{"
    "\"items\":{\"type\":\"array\",\"items\":" STATS_ITEM "},\"next\":{\"type\":[\"string\","
    "\"null\"]},\"total\":{\"type\":\"integer\"},\"seq\":{\"type\":\"integer\"}}}";

/* -- the answer -- */

static int64_t member_of(const struct usage_point *point, int member)
{
    const int64_t values[] = {point->cpu_millis, (int64_t)point->memory_kib * 1024, point->in_bytes,
                              point->out_bytes};
    return values[member];
}

static void write_item(const struct stats_view *view, uint32_t at, struct text *out)
{
    static const char *const names[] = {"cpuMillis", "memoryBytes", "networkInBytesPerSecond",
                                        "networkOutBytesPerSecond"};
    char from[CLOCK_TEXT_BYTES], step[CLOCK_TEXT_BYTES];
    const char *object = view->objects[at];
    clock_format_wall_ms(view->from_ms, from);
    clock_format_duration_ns(view->width * STEP_NS, step);
    text_append_format(out, "{\"object\":\"%s\",\"name\":\"%s\"", object, strchr(object, '/') + 1);
    for (int member = 0; member < 4; member++)
        text_append_format(out, ",\"%s\":%lld", names[member],
                           (long long)member_of(&view->now[at], member));
    text_append_format(out, ",\"series\":{\"from\":\"%s\",\"step\":\"%s\"", from, step);
    for (int member = 0; member < 4; member++) {
        text_append_format(out, ",\"%s\":[", names[member]);
        for (uint64_t i = 0; i < view->buckets; i++) {
            const struct usage_point *point = &view->points[at][i];
            text_append_string(out, i ? "," : "");
            if (point->cpu_millis == USAGE_NONE)
                text_append_string(out, "null");
            else
                text_append_int(out, member_of(point, member));
        }
        text_append_char(out, ']');
    }
    text_append_string(out, "}}");
}

static void reply_all(struct request *request)
{
    const struct stats_view *view = request->data;
    text_append_string(&request->out, "{\"items\":[");
    for (uint32_t i = 0; i < view->count; i++) {
        text_append_string(&request->out, i ? "," : "");
        write_item(view, i, &request->out);
    }
    list_close(request, view->total);
    request_reply(request, 200);
}

static void reply_one(struct request *request)
{
    write_item(request->data, 0, &request->out);
    request_reply(request, 200);
}

/* -- out of the series [loop] -- */

/* The mean of the steps that have a point. */
static struct usage_point mean(const struct usage_series *series, uint64_t first, uint64_t width)
{
    uint64_t sums[4] = {0}, count = 0;
    struct usage_point point;
    for (uint64_t step = first; series && step < first + width; step++) {
        if (!usage_at(series, step, &point))
            continue;
        sums[0] += point.cpu_millis;
        sums[1] += point.memory_kib;
        sums[2] += point.in_bytes;
        sums[3] += point.out_bytes;
        count++;
    }
    if (!count)
        return (struct usage_point){.cpu_millis = USAGE_NONE};
    return (struct usage_point){(uint32_t)(sums[0] / count), (uint32_t)(sums[1] / count),
                                (uint32_t)(sums[2] / count), (uint32_t)(sums[3] / count)};
}

static struct stats_view *make_view(struct request *request, uint32_t room)
{
    const struct stats_query *query = request->data;
    const struct usage *usage = request->parts->usage;
    struct arena *arena = &request->arena;
    struct stats_view *view = arena_alloc(arena, sizeof *view);
    view->query = *query;
    view->width = query->step_ns / STEP_NS;
    view->buckets = (query->since_ns / STEP_NS + view->width - 1) / view->width;
    view->last = usage ? usage_step(usage) : 0;
    if (view->last < view->buckets * view->width)
        view->buckets = 0; /* nothing was asked yet */
    view->from_ms = usage ? usage_step_wall_ms(usage, view->last - view->buckets * view->width + 1)
                          : loop_wall_ms(request->parts->loop);
    view->objects = arena_alloc(arena, room * sizeof *view->objects);
    view->points = arena_alloc(arena, room * sizeof *view->points);
    view->now = arena_alloc(arena, room * sizeof *view->now);
    request->seq = state_settled_seq(request->parts->state);
    request->data = view;
    return view;
}

/* `series` NULL: nothing is known of it. */
static void add(struct request *request, const char *object, const struct usage_series *series)
{
    struct stats_view *view = request->data;
    uint32_t at = view->count++;
    uint64_t first = view->last - view->buckets * view->width + 1;
    view->objects[at] = arena_strdup(&request->arena, object);
    view->points[at] = arena_alloc(&request->arena, (view->buckets + 1) * sizeof **view->points);
    for (uint64_t i = 0; i < view->buckets; i++)
        view->points[at][i] = mean(series, first + i * view->width, view->width);
    view->now[at] = mean(series, view->last, 1);
    if (view->now[at].cpu_millis == USAGE_NONE)
        view->now[at] = (struct usage_point){0};
}

static int by_object(const void *a, const void *b)
{
    const struct usage_series *const *left = a, *const *right = b;
    return strcmp((*left)->object, (*right)->object);
}

/* Of a deployment or a node its containers as well; without either all deployments and nodes. */
static bool wanted(const struct stats_query *query, const struct usage_series *series)
{
    bool container = text_starts_with(series->object, "containers/");
    const char *name = strchr(series->object, '/') + 1;
    if (query->deployment)
        return strcmp(container ? series->deployment : name, query->deployment) == 0 &&
               !text_starts_with(series->object, "nodes/");
    if (query->node)
        return container || text_starts_with(series->object, "nodes/");
    return !container;
}

static void collect(struct request *request)
{
    const struct usage *usage = request->parts->usage;
    const struct stats_query *query = request->data;
    const struct usage_series **found = arena_alloc(&request->arena, USAGE_SERIES * sizeof *found);
    uint32_t count = 0;
    bool here = !query->node || text_equal(query->node, request->parts->node_name);
    for (const struct usage_series *series = NULL;
         usage && here && (series = usage_next(usage, series));)
        if (wanted(query, series))
            found[count++] = series;
    qsort(found, count, sizeof *found, by_object);
    make_view(request, count)->total = count;
    for (uint32_t i = 0; i < count && i < ITEMS; i++)
        add(request, found[i]->object, found[i]);
    request_to_api(request, reply_all);
}

static void collect_one(struct request *request)
{
    const struct api_parts *parts = request->parts;
    const char *id = request->params[0];
    const struct container *container = container_manager_find(parts->containers, id);
    char object[96];
    if (!container) {
        error_set(&request->error, ERROR_NOT_FOUND, "there is no container \"%s\"", id);
    } else if (!parts->usage || strcmp(container->node, parts->node_name) != 0) {
        error_set(&request->error, ERROR_INVALID_STATE,
                  "container \"%s\" runs on node %s: ask its daemon", id, container->node);
    } else {
        make_view(request, 1);
        snprintf(object, sizeof object, "containers/%s", id);
        add(request, object, usage_find(parts->usage, object));
        request_to_api(request, reply_one);
        return;
    }
    request_fail_from_loop(request);
}

/* -- the query -- */

static bool read_duration(struct request *request, const char *name, uint64_t initial_ns,
                          uint64_t *out)
{
    const char *given = request_query(request, name);
    *out = initial_ns;
    if (!given || (clock_parse_duration_ns(given, out) && *out >= STEP_NS && *out <= LONGEST_NS &&
                   *out % STEP_NS == 0))
        return true;
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    schema_faults_add(&faults, (struct schema_position){0}, name,
                      "must be a duration from 10s to 15m, in steps of 10s");
    request_fail_faults(request, &faults);
    return false;
}

static bool read_query(struct request *request)
{
    struct stats_query *query = arena_alloc(&request->arena, sizeof *query);
    query->deployment = request_query(request, "deployment");
    query->node = request_query(request, "node");
    request->data = query;
    return read_duration(request, "since", LONGEST_NS, &query->since_ns) &&
           read_duration(request, "step", STEP_NS, &query->step_ns);
}

void list_stats(struct request *request)
{
    if (read_query(request))
        request_to_loop(request, collect);
}

void container_stats(struct request *request)
{
    if (read_query(request))
        request_to_loop(request, collect_one);
}
