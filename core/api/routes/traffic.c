/* GET /traffic: what services, deployments or endpoints had of requests over the last quarter of an
 * hour, by what proxies count. One reply, from memory; taken in slices. */
#include "api/routes/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum {
    ITEMS = 500,      /* in a reply; more are counted */
    ITEMS_A_TURN = 4, /* of the loop */
    SERVICES = 16,    /* of one deployment */
    STEP_INITIAL_S = 10,
};
#define LONGEST_NS ((uint64_t)TRAFFIC_STEPS * TRAFFIC_STEP_MS * NS_PER_MS)

struct traffic_item {
    struct traffic_item *next;
    const char *name, *deployment, *service; /* service: of an endpoint */
    struct traffic_rates *steps;
};
struct traffic_view { /* in the arena */
    struct request *request;
    struct loop_slice slice;
    bool (*look)(struct traffic_view *view); /* at the next; false: there is none */
    const char *kind;                        /* "services" */
    int64_t until_ms, step_ms;
    uint32_t steps, count;
    uint64_t total;
    struct traffic_item *items, **last;
    char after[64], service[64], container[80];
};

#define FIGURE(type) "{\"type\":[\"" type "\",\"null\"]}"
#define FIGURES(number, latency, count)                                                            \
    "\"requestsPerSecond\":" number ",\"errorsPerSecond\":" number ",\"p50Ms\":" latency           \
    ",\"p99Ms\":" latency ",\"inFlight\":" count
#define SERIES_OF(type) "{\"type\":\"array\",\"items\":" FIGURE(type) "}"
#define ITEM                                                                                       \
    "{\"type\":\"object\",\"required\":[\"object\",\"name\",\"requestsPerSecond\","                \
    "\"errorsPerSecond\",\"p50Ms\",\"p99Ms\",\"inFlight\",\"series\"],\"properties\":{"            \
    "\"object\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"                             \
    "\"deployment\":{\"type\":\"string\"},\"service\":{\"type\":\"string\"}," FIGURES(             \
        "{\"type\":\"number\"}", FIGURE("number"),                                                 \
        "{\"type\":\"integer\"}") ",\"series\":{"                                                  \
                                  "\"type\":\"object\",\"required\":[\"from\",\"step\"],"          \
                                  "\"properties\":{\"from\":{\"type\":"                            \
                                  "\"string\",\"format\":\"date-time\"},\"step\":{\"type\":"       \
                                  "\"string\"}," FIGURES(SERIES_OF("number"), SERIES_OF("number"), \
                                                         SERIES_OF("integer")) "}}}}"
const char traffic_schema[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"next\",\"total\",\"seq\"],\"properties\":{"
    "\"items\":{\"type\":\"array\",\"items\":" ITEM "},\"next\":{\"type\":[\"string\","
    "\"null\"]},\"total\":{\"type\":\"integer\"},\"seq\":{\"type\":\"integer\"}}}";

/* -- the answer -- */

static void write_thousandths(struct text *out, int64_t value)
{
    if (value < 0)
        text_append_string(out, "null");
    else
        text_append_format(out, "%lld.%03lld", (long long)(value / 1000),
                           (long long)(value % 1000));
}

static void write_member(const struct traffic_view *view, const struct traffic_rates *rates,
                         int member, struct text *out)
{
    switch (member) {
    case 0: /* a second's, in thousandths: both are per thousand */
        write_thousandths(out, rates->requests * 1000 * 1000 / view->step_ms);
        return;
    case 1:
        write_thousandths(out, rates->errors * 1000 * 1000 / view->step_ms);
        return;
    case 2:
        write_thousandths(out, rates->p50_us);
        return;
    case 3:
        write_thousandths(out, rates->p99_us);
        return;
    default:
        text_append_int(out, rates->in_flight);
    }
}

static void write_series(const struct traffic_view *view, const struct traffic_item *item,
                         const char *const *names, struct text *out)
{
    char from[CLOCK_TEXT_BYTES], step[CLOCK_TEXT_BYTES];
    clock_format_wall_ms(view->until_ms - view->steps * view->step_ms, from);
    clock_format_duration_ns((uint64_t)view->step_ms * NS_PER_MS, step);
    text_append_format(out, ",\"series\":{\"from\":\"%s\",\"step\":\"%s\"", from, step);
    for (int member = 0; member < 5; member++) {
        text_append_format(out, ",\"%s\":[", names[member]);
        for (uint32_t i = 0; i < view->steps; i++) {
            text_append_string(out, i ? "," : "");
            write_member(view, &item->steps[i], member, out);
        }
        text_append_char(out, ']');
    }
    text_append_string(out, "}}");
}

static void write_item(const struct traffic_view *view, const struct traffic_item *item,
                       struct text *out)
{
    static const char *const names[] = {"requestsPerSecond", "errorsPerSecond", "p50Ms", "p99Ms",
                                        "inFlight"};
    text_append_format(out, "{\"object\":\"%s/%s\",\"name\":\"%s\",\"deployment\":\"%s\"",
                       view->kind, item->name, item->name, item->deployment);
    if (item->service)
        text_append_format(out, ",\"service\":\"%s\"", item->service);
    for (int member = 0; member < 5; member++) {
        text_append_format(out, ",\"%s\":", names[member]);
        write_member(view, &item->steps[view->steps - 1], member, out);
    }
    write_series(view, item, names, out);
}

static void reply(struct request *request)
{
    const struct traffic_view *view = request->data;
    text_append_string(&request->out, "{\"items\":[");
    for (const struct traffic_item *item = view->items; item; item = item->next) {
        text_append_string(&request->out, item == view->items ? "" : ",");
        write_item(view, item, &request->out);
    }
    list_close(request, view->total);
    request_reply(request, 200);
}

/* -- out of the rings [loop] -- */

static void add(struct traffic_view *view, const char *name, const struct service *const *services,
                uint32_t count, const char *container)
{
    struct arena *arena = &view->request->arena;
    if (view->total++ >= ITEMS)
        return;
    struct traffic_item *item = arena_alloc(arena, sizeof *item);
    item->name = arena_strdup(arena, name);
    item->deployment = arena_strdup(arena, services[0]->deployment);
    item->service = container ? arena_strdup(arena, services[0]->name) : NULL;
    item->steps = arena_alloc(arena, view->steps * sizeof *item->steps);
    service_manager_traffic(view->request->parts->services, services, count, container,
                            view->until_ms, view->step_ms, item->steps, view->steps);
    *view->last = item;
    view->last = &item->next;
}

static const struct service *next_service(struct traffic_view *view, char *after, size_t bytes)
{
    const struct service *service =
        service_manager_next(view->request->parts->services, after[0] ? after : NULL);
    if (service)
        snprintf(after, bytes, "%s", service->name);
    return service;
}

static bool look_service(struct traffic_view *view)
{
    const struct service *service = next_service(view, view->after, sizeof view->after);
    if (service)
        add(view, service->name, &service, 1, NULL);
    return service;
}

/* A deployment is shown with the first of its services. */
static bool look_deployment(struct traffic_view *view)
{
    const struct service *first = next_service(view, view->after, sizeof view->after);
    const struct service *services[SERVICES], *service = NULL;
    struct service_manager *manager = view->request->parts->services;
    uint32_t count = 0;
    if (!first)
        return false;
    while (count < SERVICES &&
           (service = service_manager_next(manager, service ? service->name : NULL)))
        if (strcmp(service->deployment, first->deployment) == 0)
            services[count++] = service;
    if (count && services[0] == first)
        add(view, first->deployment, services, count, NULL);
    return true;
}

static bool look_endpoint(struct traffic_view *view)
{
    const struct api_parts *parts = view->request->parts;
    const struct service *service =
        view->after[0] ? service_manager_find(parts->services, view->after) : NULL;
    const struct container *container =
        view->container[0] ? container_manager_find(parts->containers, view->container) : NULL;
    container = service && (container || !view->container[0])
                    ? container_manager_next(parts->containers, service->deployment, container)
                    : NULL;
    if (!container) {
        view->container[0] = 0;
        return next_service(view, view->after, sizeof view->after);
    }
    snprintf(view->container, sizeof view->container, "%s", container->id);
    add(view, container->id, &service, 1, container->id);
    return true;
}

static bool step(void *argument)
{
    struct traffic_view *view = argument;
    for (int i = 0; i < ITEMS_A_TURN; i++)
        if (!view->look(view)) {
            view->request->seq = state_settled_seq(view->request->parts->state);
            request_to_api(view->request, reply);
            return false;
        }
    return true;
}

static void begin(struct request *request)
{
    struct traffic_view *view = request->data;
    struct loop *loop = request->parts->loop;
    view->until_ms = loop_wall_ms(loop) / TRAFFIC_STEP_MS * TRAFFIC_STEP_MS;
    loop_slice_init(&view->slice, loop, "traffic", step, view);
    loop_slice_start(&view->slice);
}

/* -- the query -- */

static bool read_time(struct request *request, const char *name, uint64_t initial_ns, uint64_t *out)
{
    const char *given = request_query(request, name);
    uint64_t unit_ns = (uint64_t)TRAFFIC_STEP_MS * NS_PER_MS;
    *out = initial_ns;
    if (!given || (clock_parse_duration_ns(given, out) && *out >= unit_ns && *out <= LONGEST_NS &&
                   *out % unit_ns == 0))
        return true;
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    schema_faults_add(&faults, (struct schema_position){0}, name,
                      "must be a duration from 5s to 15m, in steps of 5s");
    request_fail_faults(request, &faults);
    return false;
}

static bool read_by(struct request *request, struct traffic_view *view)
{
    static const char *const words[] = {"service", "deployment", "endpoint", NULL};
    static bool (*const looks[])(struct traffic_view *) = {look_service, look_deployment,
                                                           look_endpoint};
    static const char *const kinds[] = {"services", "deployments", "containers"};
    uint32_t bits = 0;
    if (!words_read_enum(request, "by", words, &bits))
        return false;
    int at = bits & (1u << 1) ? 0 : bits & (1u << 2) ? 1 : 2;
    view->look = looks[at];
    view->kind = kinds[at];
    return true;
}

void list_traffic(struct request *request)
{
    struct traffic_view *view = arena_alloc(&request->arena, sizeof *view);
    uint64_t since_ns = 0, step_ns = 0;
    *view = (struct traffic_view){.request = request, .last = &view->items};
    request->data = view;
    if (!read_by(request, view) || !read_time(request, "since", LONGEST_NS, &since_ns) ||
        !read_time(request, "step", STEP_INITIAL_S * NS_PER_SECOND, &step_ns))
        return;
    view->step_ms = (int64_t)(step_ns / NS_PER_MS);
    view->steps = (uint32_t)((since_ns + step_ns - 1) / step_ns);
    request_to_loop(request, begin);
}
