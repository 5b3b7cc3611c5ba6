#include "kinds.h"

#include "client.h"
#include "output.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum paint state_paint(const char *state)
{
    static const struct {
        const char *word;
        enum paint paint;
    } known[] = {
        {"complete", PAINT_GREEN},   {"running", PAINT_GREEN},   {"ready", PAINT_GREEN},
        {"active", PAINT_GREEN},     {"listening", PAINT_GREEN}, {"loaded", PAINT_GREEN},
        {"progressing", PAINT_BLUE}, {"pending", PAINT_YELLOW},  {"paused", PAINT_YELLOW},
        {"scheduled", PAINT_BLUE},   {"pulling", PAINT_BLUE},    {"creating", PAINT_BLUE},
        {"stopping", PAINT_DIM},     {"deleting", PAINT_DIM},    {"draining", PAINT_YELLOW},
        {"degraded", PAINT_RED},     {"rolled-back", PAINT_RED}, {"rolling-back", PAINT_RED},
        {"failed", PAINT_RED},       {"exited", PAINT_RED},      {"lost", PAINT_RED},
        {"suspect", PAINT_YELLOW},   {"down", PAINT_RED},        {"warning", PAINT_YELLOW},
    };
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(known[i].word, state) == 0)
            return known[i].paint;
    return PAINT_NONE;
}

static struct cell plain(const char *text)
{
    return (struct cell){.text = text};
}

static struct cell painted(const char *text)
{
    return (struct cell){.text = text, .paint = state_paint(text)};
}

static struct cell age(struct arena *arena, const json_t *object, const char *path)
{
    return plain(age_of(arena, member_text(object, path)));
}

/* -- deployments -- */

static const char *const deployment_heads[] = {"NAME",  "READY",    "UPDATED", "AVAILABLE",
                                               "PHASE", "AGE",      "IMAGE",   "REVISION",
                                               "MODE",  "RESTARTS", "LABELS"};

static void fill_deployment(struct arena *arena, const json_t *object, struct cell *row)
{
    long long ready = member_int(object, "status.ready");
    long long desired = member_int(object, "status.desired");
    row[0] = plain(member_text(object, "name"));
    row[1] = (struct cell){arena_format(arena, "%lld/%lld", ready, desired),
                           ready < desired ? PAINT_YELLOW : PAINT_NONE};
    row[2] = plain(member_shown(arena, object, "status.updated"));
    row[3] = plain(member_shown(arena, object, "status.available"));
    row[4] = painted(member_text(object, "status.phase"));
    row[5] = age(arena, object, "createdAt");
    row[6] = plain(member_text(object, "image"));
    row[7] = plain(member_shown(arena, object, "status.revision"));
    row[8] = plain(member_text(object, "mode"));
    row[9] = plain(member_shown(arena, object, "status.restarts"));
    row[10] = plain(pairs_of(arena, member(object, "labels")));
}

/* -- containers -- */

static const char *const container_heads[] = {"ID",       "DEPLOYMENT", "STATE", "READY",
                                              "RESTARTS", "NODE",       "AGE",   "IMAGE",
                                              "ADDRESS",  "REVISION",   "REASON"};

static void fill_container(struct arena *arena, const json_t *object, struct cell *row)
{
    bool ready = member_true(object, "ready");
    row[0] = plain(member_text(object, "id"));
    row[1] = plain(member_text(object, "deployment"));
    row[2] = painted(member_text(object, "state"));
    row[3] = (struct cell){ready ? "yes" : "no", ready ? PAINT_NONE : PAINT_YELLOW};
    row[4] = plain(member_shown(arena, object, "restarts"));
    row[5] = plain(member_text(object, "node"));
    row[6] = age(arena, object, "createdAt");
    row[7] = plain(member_text(object, "image"));
    row[8] = plain(member_text(object, "address"));
    row[9] = plain(member_shown(arena, object, "revision"));
    row[10] = plain(member_text(object, "reason"));
}

/* -- nodes -- */

static const char *const node_heads[] = {"NAME", "STATE",   "CONTAINERS", "CPU",      "MEMORY",
                                         "AGE",  "ADDRESS", "RUNTIME",    "RESERVED", "LABELS"};

static void fill_node(struct arena *arena, const json_t *object, struct cell *row)
{
    const char *state = member_text(object, "state");
    const char *note = member_true(object, "draining")       ? ",draining"
                       : !member_true(object, "schedulable") ? ",cordoned"
                                                             : "";
    row[0] = plain(member_text(object, "name"));
    row[1] = (struct cell){arena_format(arena, "%s%s", state, note),
                           *note ? PAINT_YELLOW : state_paint(state)};
    row[2] = plain(member_shown(arena, object, "containers"));
    row[3] = plain(arena_format(arena, "%s/%s", member_text(object, "allocated.cpu"),
                                member_text(object, "capacity.cpu")));
    row[4] = plain(arena_format(arena, "%s/%s", member_text(object, "allocated.memory"),
                                member_text(object, "capacity.memory")));
    row[5] = age(arena, object, "createdAt");
    row[6] = plain(member_text(object, "address"));
    row[7] = plain(arena_format(arena, "%s %s", member_text(object, "runtime.plugin"),
                                member_text(object, "runtime.version")));
    row[8] = plain(arena_format(arena, "%s, %s", member_text(object, "reserved.cpu"),
                                member_text(object, "reserved.memory")));
    row[9] = plain(pairs_of(arena, member(object, "labels")));
}

/* -- services -- */

static const char *const service_heads[] = {
    "NAME", "LISTEN", "DEPLOYMENT", "ENDPOINTS", "STATE", "BALANCER", "PROTOCOL", "PORT", "AGE"};

/* The worst state of its listeners. */
static const char *listener_state(const json_t *object)
{
    const char *state = "";
    size_t i;
    json_t *listener;
    json_array_foreach(member(object, "status.listeners"), i, listener)
    {
        const char *word = member_text(listener, "state");
        if (!*state || strcmp(word, "listening") != 0)
            state = word;
    }
    return state;
}

static void fill_service(struct arena *arena, const json_t *object, struct cell *row)
{
    row[0] = plain(member_text(object, "name"));
    row[1] = plain(strcmp(member_text(object, "protocol"), "udp") == 0
                       ? arena_format(arena, "%s/udp", member_text(object, "listen"))
                       : member_text(object, "listen"));
    row[2] = plain(member_text(object, "deployment"));
    row[3] = plain(arena_format(arena, "%lld/%lld", member_int(object, "status.ready"),
                                member_int(object, "status.endpoints")));
    row[4] = painted(listener_state(object));
    row[5] = plain(member_text(object, "balancer"));
    row[6] = plain(member_text(object, "protocol"));
    row[7] = plain(member_shown(arena, object, "targetPort"));
    row[8] = age(arena, object, "createdAt");
}

/* -- events, plugins, problems -- */

static const char *const event_heads[] = {"AGE",     "TYPE", "REASON", "OBJECT",
                                          "MESSAGE", "SEQ",  "BY"};

static void fill_event(struct arena *arena, const json_t *object, struct cell *row)
{
    long long count = member_int(object, "count");
    const char *message = member_text(object, "message");
    row[0] = age(arena, object, "at");
    row[1] = painted(member_text(object, "type"));
    row[2] = plain(member_text(object, "reason"));
    row[3] = plain(member_text(object, "object"));
    row[4] = plain(count > 1 ? arena_format(arena, "%s (%lld times)", message, count) : message);
    row[5] = plain(member_shown(arena, object, "seq"));
    row[6] = plain(json_is_integer(member(object, "cause.event"))
                       ? arena_format(arena, "event %lld", member_int(object, "cause.event"))
                       : member_text(object, "cause.by"));
}

static const char *const plugin_heads[] = {"NAME",    "INTERFACE", "VERSION", "STATE",
                                           "MESSAGE", "ID",        "PATH"};

static void fill_plugin(struct arena *arena, const json_t *object, struct cell *row)
{
    (void)arena;
    row[0] = plain(member_text(object, "name"));
    row[1] = plain(member_text(object, "interface"));
    row[2] = plain(member_text(object, "version"));
    row[3] = painted(member_text(object, "state"));
    row[4] = plain(member_text(object, "message"));
    row[5] = plain(member_text(object, "id"));
    row[6] = plain(member_text(object, "path"));
}

static const char *const problem_heads[] = {"OBJECT", "REASON", "SINCE", "MESSAGE", "FIX"};

static void fill_problem(struct arena *arena, const json_t *object, struct cell *row)
{
    row[0] = plain(member_text(object, "object"));
    row[1] = (struct cell){member_text(object, "reason"), PAINT_RED};
    row[2] = age(arena, object, "since");
    row[3] = plain(member_text(object, "message"));
    row[4] = plain(member_text(object, "fix"));
}

#define COLUMNS(table, visible) .heads = (table), .plain = (visible), .columns = COUNT(table)
const struct kind kinds[] = {
    {.plural = "deployments",
     .singular = "deployment",
     .others = "deploy,dep,d",
     .path = "/deployments",
     .key = "name",
     .one = true,
     .deletable = true,
     .watchable = true,
     .selectable = true,
     COLUMNS(deployment_heads, 6),
     .fill = fill_deployment},
    {.plural = "containers",
     .singular = "container",
     .others = "co,c,ps,replicas,replica",
     .path = "/containers",
     .key = "id",
     .one = true,
     .deletable = true,
     .watchable = true,
     .selectable = true,
     COLUMNS(container_heads, 7),
     .fill = fill_container},
    {.plural = "nodes",
     .singular = "node",
     .others = "no,n",
     .path = "/nodes",
     .key = "name",
     .one = true,
     .deletable = true,
     .watchable = true,
     .selectable = true,
     COLUMNS(node_heads, 6),
     .fill = fill_node},
    {.plural = "services",
     .singular = "service",
     .others = "svc,s",
     .path = "/services",
     .key = "name",
     .one = true,
     .deletable = true,
     .watchable = true,
     COLUMNS(service_heads, 5),
     .fill = fill_service},
    {.plural = "events",
     .singular = "event",
     .others = "ev,e",
     .path = "/events",
     .key = "seq",
     .watchable = true,
     COLUMNS(event_heads, 5),
     .fill = fill_event},
    {.plural = "plugins",
     .singular = "plugin",
     .others = "pl",
     .path = "/plugins",
     .key = "name",
     COLUMNS(plugin_heads, 5),
     .fill = fill_plugin},
    {.plural = "problems",
     .singular = "problem",
     .others = "pr",
     .path = "/problems",
     .key = "object",
     COLUMNS(problem_heads, 5),
     .fill = fill_problem},
};
const size_t kind_count = COUNT(kinds);

static bool is_among(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (!at[length] || at[length] == ','))
            return true;
    }
    return false;
}

const struct kind *kind_named(const char *word)
{
    for (size_t i = 0; *word && i < kind_count; i++)
        if (strcmp(kinds[i].plural, word) == 0 || strcmp(kinds[i].singular, word) == 0 ||
            is_among(kinds[i].others, word))
            return &kinds[i];
    return NULL;
}

const struct kind *kind_find(struct cli *cli, const char *word)
{
    const char *names[2 * COUNT(kinds)];
    const struct kind *found = kind_named(word);
    if (found)
        return found;
    for (size_t i = 0; i < kind_count; i++) {
        names[2 * i] = kinds[i].plural;
        names[2 * i + 1] = kinds[i].singular;
    }
    const char *near = text_nearest(word, names, COUNT(names));
    complain(STATUS_FAILED,
             near ? arena_format(&cli->arena, "did you mean \"%s\"?", near)
                  : "kinds are deployments, containers, nodes, services, events, plugins, problems",
             "there is no kind \"%s\"", word);
    return NULL;
}

/* The ids that begin with `given`, the first few by name. */
static size_t ids_beginning(struct cli *cli, const json_t *all, const char *given,
                            const char **found, struct text *names)
{
    size_t i, count = 0;
    json_t *item;
    json_array_foreach(all, i, item)
    {
        const char *id = member_text(item, "id");
        if (!text_starts_with(id, given))
            continue;
        *found = arena_strdup(&cli->arena, id);
        if (count++ < 5)
            text_append_format(names, "%s%s", names->length ? ", " : "", id);
    }
    return count;
}

const char *container_id(struct cli *cli, const char *given)
{
    const char *found = NULL;
    struct reply reply;
    CLEANUP(text_finish) struct text names = {0};
    const char *path = arena_format(&cli->arena, "/containers/%s", client_escape(cli, given));
    if (!client_call(cli, "GET", path, NULL, &reply))
        return NULL;
    int status = reply.status;
    reply_finish(&reply);
    if (status == 200)
        return given;
    json_t *all = client_list(cli, "/containers?fields=id", "look for the container");
    if (!all)
        return NULL;
    size_t count = ids_beginning(cli, all, given, &found, &names);
    json_decref(all);
    if (count == 1)
        return found;
    if (count)
        complain(STATUS_FAILED, "give more of the id", "%zu containers begin with \"%s\": %s%s",
                 count, given, text_string(&names), count > 5 ? ", ..." : "");
    else
        complain(STATUS_FAILED, "\"orchctl get containers\" lists them",
                 "there is no container \"%s\"", given);
    return NULL;
}
