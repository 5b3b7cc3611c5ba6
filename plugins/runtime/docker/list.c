/* list: one request for all of them, and an inspect for what that does not tell: how an ended one
 * ended (once), and since when a running one runs when neither we nor an event knew. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INSPECTS_AT_A_TIME = 4,
    FILTER_IDS_MAX = 128,      /* of more, all are asked for and the rest left out here */
    PARSE_ON_LOOP_MAX = 65536, /* bytes; more is parsed on a pool thread */
    ADDRESS_BYTES = 46
};
static const uint64_t LIST_NS = 10 * NS_PER_S, INSPECT_NS = 5 * NS_PER_S;
/* A running one's start is only good to know: it must not hold up the rest. */
static const uint64_t SOON_NS = 2 * NS_PER_S, RETRY_NS = 60 * NS_PER_S;

struct item {
    const char *id, *name, *image, *state, *address; /* into the JSON */
    const json_t *labels;
    int64_t created_at_ms;
    bool gone; /* it went while we asked about it */
};

/* A reply on its way through the parser. Outlives its job when that ends meanwhile. */
struct parse {
    struct list_job *list; /* NULL: nobody waits any more */
    char *network;
    struct text body;
    json_t *root;
    struct item *items;
    uint32_t count;
    bool sound;
};

struct list_job {
    struct job job; /* first */
    struct orch_list list;
    uint64_t number;
    struct parse *parse;
    uint32_t next, under_way; /* inspects */
};

static void parse_free(struct parse *parse)
{
    json_decref(parse->root);
    free(parse->items);
    free(parse->network);
    text_finish(&parse->body);
    free(parse);
}

static void finish(struct job *job)
{
    struct list_job *list = (struct list_job *)job;
    if (list->parse && list->parse->list == NULL)
        parse_free(list->parse);
    else if (list->parse)
        list->parse->list = NULL; /* the pool has it */
}

/* -- reading the reply: [any] -- */

static const char *address_in(const json_t *endpoint)
{
    const char *four = json_string_value(json_object_get(endpoint, "IPAddress"));
    const char *six = json_string_value(json_object_get(endpoint, "GlobalIPv6Address"));
    const char *address = four && four[0] ? four : six && six[0] ? six : NULL;
    return address && strlen(address) < ADDRESS_BYTES ? address : NULL;
}

static const char *address_of(const json_t *container, const char *network)
{
    const json_t *settings = json_object_get(container, "NetworkSettings");
    json_t *networks = json_object_get(settings, "Networks"), *endpoint;
    const char *address = address_in(json_object_get(networks, network)), *name;
    if (!address)
        json_object_foreach(networks, name, endpoint) if (!address) address = address_in(endpoint);
    return address;
}

static bool read_item(struct item *item, const json_t *container, const char *network)
{
    const json_t *names = json_object_get(container, "Names");
    const json_t *created = json_object_get(container, "Created");
    const char *name = json_string_value(json_array_get(names, 0));
    *item = (struct item){.id = json_string_value(json_object_get(container, "Id")),
                          .image = json_string_value(json_object_get(container, "Image")),
                          .state = json_string_value(json_object_get(container, "State")),
                          .labels = json_object_get(container, "Labels"),
                          .address = address_of(container, network),
                          .name = name ? name : ""};
    if (!item->id || !id_valid(str(item->id)) || !item->state || !labels_valid(item->labels) ||
        (created && !json_is_integer(created)) ||
        (names && !json_is_null(names) && !json_is_array(names)))
        return false;
    json_int_t seconds = json_integer_value(created);
    item->created_at_ms = seconds > 0 && seconds < INT64_MAX / 1000 ? seconds * 1000 : 0;
    if (item->name[0] == '/')
        item->name++;
    return true;
}

static void parse_work(void *context)
{
    struct parse *parse = context;
    size_t index;
    json_t *container;
    parse->root = json_loadb(text_string(&parse->body), parse->body.length, 0, NULL);
    text_finish(&parse->body);
    if (!json_is_array(parse->root))
        return;
    parse->items = memory_new((json_array_size(parse->root) + 1) * sizeof *parse->items);
    json_array_foreach(parse->root, index, container)
    {
        if (!read_item(&parse->items[parse->count++], container, parse->network))
            return;
    }
    parse->sound = true;
}

/* -- inspects -- */

static uint64_t now(const struct runtime *runtime)
{
    return runtime->loop->now_ns(runtime->host);
}

static void learn(struct runtime *runtime, const struct inspected *found)
{
    struct known *known = known_put(runtime, found->id);
    known->started_at_ms = found->started_at_ms;
    known->retry_ns = 0;
    known->ended = !found->running;
    if (found->stop_signal)
        snprintf(known->stop_signal, sizeof known->stop_signal, "%s", found->stop_signal);
    if (found->running)
        return;
    known->exit_code = found->exit_code;
    known->oom = found->oom;
    known->finished_at_ms = found->finished_at_ms;
    const char *message = found->message ? found->message : "";
    defuse(known->message, sizeof known->message, message, strlen(message));
}

static bool is_unknown(struct runtime *runtime, const struct item *item)
{
    const struct known *known = known_get(runtime, item->id);
    switch (state_of(item->state)) {
    case ORCH_CONTAINER_EXITED:
        return !known || !known->ended;
    case ORCH_CONTAINER_RUNNING:
        return !known || (!known->started_at_ms && known->retry_ns <= now(runtime));
    default:
        return false;
    }
}

static void pump(struct list_job *list);

/* An ended one's end is part of the truth, a running one's start is not. */
static void inspected(struct job *job, uint64_t number, const struct reply *reply)
{
    struct list_job *list = (struct list_job *)job;
    struct item *item = &list->parse->items[number];
    struct inspected found;
    json_t *root = reply_json(reply);
    list->under_way--;
    if (reply_is(reply, 404)) {
        item->gone = true;
    } else if (root && inspect_parse(root, &found) && strcmp(found.id, item->id) == 0) {
        learn(job->runtime, &found);
        if ((state_of(item->state) == ORCH_CONTAINER_RUNNING) != found.running)
            item->state = found.running ? "running" : "exited"; /* it has changed since */
    } else if (state_of(item->state) == ORCH_CONTAINER_EXITED) {
        char what[120];
        snprintf(what, sizeof what, "listing containers: how %.64s ended", item->id);
        json_decref(root);
        job_fail_reply(job, reply, what);
        return;
    } else {
        known_put(job->runtime, item->id)->retry_ns = now(job->runtime) + RETRY_NS;
    }
    json_decref(root);
    pump(list);
}

/* -- the answer -- */

static uint32_t add_labels(struct orch_pair *pairs, const json_t *labels)
{
    uint32_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)labels, key, value) pairs[count++] =
        (struct orch_pair){str(key), {json_string_value(value), json_string_length(value)}};
    return count;
}

static struct orch_container_view view_of(struct runtime *runtime, const struct item *item)
{
    struct known *known = known_get(runtime, item->id);
    struct orch_container_view view = {.size = sizeof view,
                                       .state = state_of(item->state),
                                       .runtime_id = str(item->id),
                                       .name = str(item->name),
                                       .image = str(item->image),
                                       .created_at_ms = item->created_at_ms};
    if (view.state == ORCH_CONTAINER_RUNNING) {
        view.address = str(item->address);
        view.started_at_ms = known ? known->started_at_ms : 0;
        if (known)
            known->ended = false;
        if (strcmp(item->state, "running") != 0)
            view.message = str(item->state); /* paused */
    } else if (view.state == ORCH_CONTAINER_EXITED && known) {
        view.started_at_ms = known->started_at_ms;
        view.finished_at_ms = known->finished_at_ms;
        view.exit_code = known->exit_code;
        view.flags = ORCH_CONTAINER_HAS_EXIT_CODE | (known->oom ? ORCH_CONTAINER_OOM : 0u);
        view.message = str(known->message);
    }
    if (known)
        known->seen = runtime->list_number;
    return view;
}

static bool is_asked(const struct list_job *list, const struct item *item)
{
    for (uint32_t i = 0; i < list->list.runtime_ids.count; i++)
        if (str_is(*ORCH_AT(struct orch_str, list->list.runtime_ids, i), item->id))
            return true;
    return !list->list.runtime_ids.count;
}

static void answer(struct list_job *list)
{
    struct runtime *runtime = list->job.runtime;
    const struct parse *parse = list->parse;
    size_t label_count = 0, used = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < parse->count; i++)
        label_count += json_object_size(parse->items[i].labels);
    struct orch_container_view *views = memory_new((parse->count + 1) * sizeof *views);
    struct orch_pair *pairs = memory_new((label_count + 1) * sizeof *pairs);
    for (uint32_t i = 0; i < parse->count; i++) {
        const struct item *item = &parse->items[i];
        if (item->gone)
            continue;
        views[count] = view_of(runtime, item);
        uint32_t labels = add_labels(pairs + used, item->labels);
        views[count++].labels = (struct orch_array){pairs + used, labels, sizeof *pairs};
        used += labels;
    }
    if (!list->list.runtime_ids.count)
        known_sweep(runtime, list->number);
    job_end_items(&list->job, views, count, sizeof *views);
    free(views);
    free(pairs);
}

static void pump(struct list_job *list)
{
    const struct parse *parse = list->parse;
    while (list->next < parse->count && list->under_way < INSPECTS_AT_A_TIME) {
        uint32_t index = list->next++;
        const struct item *item = &parse->items[index];
        if (!is_unknown(list->job.runtime, item))
            continue;
        list->under_way++;
        inspect_start(&list->job, str(item->id),
                      state_of(item->state) == ORCH_CONTAINER_EXITED ? INSPECT_NS : SOON_NS, index,
                      inspected);
    }
    if (list->next == parse->count && !list->under_way)
        answer(list);
}

/* -- the request -- */

static void parsed(void *context)
{
    struct parse *parse = context;
    struct list_job *list = parse->list;
    if (!list) {
        parse_free(parse);
        return;
    }
    parse->list = NULL; /* it is the job's alone again */
    if (!parse->sound) {
        job_fail(&list->job, ORCH_E_IO, "listing containers: the engine's reply makes no sense");
        return;
    }
    uint32_t kept = 0; /* the engine's filter takes prefixes too */
    for (uint32_t i = 0; i < parse->count; i++)
        if (is_asked(list, &parse->items[i]))
            parse->items[kept++] = parse->items[i];
    parse->count = kept;
    pump(list);
}

static void answered(struct job *job, uint64_t number, const struct reply *reply)
{
    struct list_job *list = (struct list_job *)job;
    struct runtime *runtime = job->runtime;
    (void)number;
    if (!reply_is(reply, 200)) {
        job_fail_reply(job, reply, "listing containers");
        return;
    }
    struct parse *parse = list->parse = memory_new(sizeof *parse);
    parse->list = list;
    parse->network = string_copy(str(runtime->settings.network));
    text_add(&parse->body, reply->body, reply->length);
    if (reply->length > PARSE_ON_LOOP_MAX &&
        runtime->loop->offload(runtime->host, parse_work, parsed, parse) == ORCH_OK)
        return;
    parse_work(parse);
    parsed(parse);
}

static json_t *string_of(struct orch_str value)
{
    return json_stringn(value.ptr ? value.ptr : "", value.len);
}

static json_t *filters_of(const struct orch_list *list)
{
    json_t *filters = label_filters(list->labels);
    if (!list->runtime_ids.count || list->runtime_ids.count > FILTER_IDS_MAX)
        return filters;
    json_t *ids = json_array();
    for (uint32_t i = 0; i < list->runtime_ids.count; i++)
        json_array_append_new(ids, string_of(*ORCH_AT(struct orch_str, list->runtime_ids, i)));
    json_object_set_new(filters, "id", ids);
    return filters;
}

json_t *label_filters(struct orch_array labels)
{
    json_t *filters = json_object(), *words = json_array();
    for (uint32_t i = 0; i < labels.count; i++) {
        const struct orch_pair *pair = ORCH_AT(struct orch_pair, labels, i);
        struct text word = {0};
        text_add(&word, pair->key.ptr, pair->key.len);
        text_add(&word, "=", 1);
        text_add(&word, pair->value.ptr, pair->value.len);
        json_array_append_new(words, string_of((struct orch_str){word.data, word.length}));
        text_finish(&word);
    }
    json_object_set_new(filters, "label", words);
    return filters;
}

orch_status runtime_list(void *instance, struct orch_op op, const struct orch_list *given,
                         struct orch_error *error)
{
    struct runtime *runtime = instance;
    struct orch_list taken;
    if (ORCH_TAKE(struct orch_list, &taken, given, error) != ORCH_OK)
        return ORCH_E_UNSUPPORTED;
    for (uint32_t i = 0; i < taken.runtime_ids.count; i++)
        if (!id_valid(*ORCH_AT(struct orch_str, taken.runtime_ids, i)))
            return orch_fail(error, ORCH_E_INVALID, "that is no container's id");
    owner_set(runtime, taken.labels);
    struct list_job *list = job_new(runtime, op, sizeof *list);
    struct text path = {0};
    list->job.finish = finish;
    list->list = taken; /* what it points to stays until the completion */
    list->number = ++runtime->list_number;
    json_t *filters = filters_of(&taken);
    text_format(&path, "/containers/json?all=1&filters=");
    text_query_json(&path, filters);
    call_start(&list->job, &(struct call_request){.method = "GET",
                                                  .path = text_string(&path),
                                                  .timeout_ns = LIST_NS,
                                                  .reply_limit = LIST_LIMIT,
                                                  .done = answered});
    text_finish(&path);
    json_decref(filters);
    return ORCH_PENDING;
}
