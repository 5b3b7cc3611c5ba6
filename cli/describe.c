/* describe: one object with all that belongs to it, for people. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

enum { EVENTS_SHOWN = 10 };

static void line(const char *name, const char *value)
{
    if (!value || !*value)
        return;
    printf("%s%s:%s%*s", paint_on(stdout, PAINT_BOLD), name, paint_off(stdout),
           (int)(strlen(name) < 18 ? 18 - strlen(name) : 1), "");
    print_foreign(stdout, value, strlen(value), false);
    putchar('\n');
}

static void heading(const char *title)
{
    printf("\n%s%s%s\n", paint_on(stdout, PAINT_BOLD), title, paint_off(stdout));
}

/* Whatever is left of the object, as its JSON would say it, but shorter. */
static void show_value(struct cli *cli, const char *name, const json_t *value)
{
    if (json_is_object(value) && json_object_size(value)) {
        line(name, pairs_of(&cli->arena, value));
    } else if (json_is_array(value) && json_array_size(value)) {
        char *dump = json_dumps(value, JSON_COMPACT);
        line(name, dump);
        free(dump);
    } else if (!json_is_object(value) && !json_is_array(value)) {
        line(name, member_shown(&cli->arena, value, ""));
    }
}

static void show_members(struct cli *cli, const json_t *object, const char *const *names)
{
    for (; *names; names++)
        show_value(cli, *names, member(object, *names));
}

/* The kind's table of what `path` lists. */
static void show_table(struct cli *cli, const char *title, const char *plural, const char *path)
{
    const struct kind *kind = kind_named(plural);
    struct table table;
    size_t i;
    json_t *object, *objects = client_list(cli, path, arena_format(&cli->arena, "list %s", plural));
    if (objects && json_array_size(objects)) {
        heading(title);
        table_init(&table, &cli->arena, kind->heads, kind->plain);
        json_array_foreach(objects, i, object)
        {
            struct cell row[TABLE_COLUMNS] = {0};
            kind->fill(&cli->arena, object, row);
            memcpy(table_row(&table), row, kind->plain * sizeof *row);
        }
        table_print(&table, stdout, false);
        table_finish(&table);
    }
    json_decref(objects);
}

/* The latest events about the object, the oldest of them first. */
static void show_events(struct cli *cli, const char *object)
{
    static const char *const heads[] = {"AGE", "TYPE", "REASON", "MESSAGE"};
    static const size_t shown[] = {0, 1, 2, 4}; /* the object is known */
    const struct kind *kind = kind_named("events");
    struct table table;
    const char *path = arena_format(&cli->arena, "/events?order=desc&limit=%d&object=%s",
                                    EVENTS_SHOWN, client_escape(cli, object));
    json_t *reply = client_ask(cli, "GET", path, NULL, "list the events of %s", object);
    const json_t *events = json_object_get(reply, "items");
    if (json_array_size(events)) {
        heading("Events");
        table_init(&table, &cli->arena, heads, 4);
        for (size_t i = json_array_size(events); i-- > 0;) {
            struct cell all[TABLE_COLUMNS] = {0}, *row = table_row(&table);
            kind->fill(&cli->arena, json_array_get(events, i), all);
            for (size_t j = 0; j < 4; j++)
                row[j] = all[shown[j]];
        }
        table_print(&table, stdout, false);
        table_finish(&table);
    }
    json_decref(reply);
}

static const char *amounts(struct cli *cli, const json_t *object, const char *first,
                           const char *second)
{
    const char *a = member_shown(&cli->arena, object, first);
    const char *b = member_shown(&cli->arena, object, second);
    return arena_format(&cli->arena, "%s reserved, limit %s", *a ? a : "0", *b ? b : "none");
}

static void show_ports(struct cli *cli, const json_t *ports)
{
    CLEANUP(text_finish) struct text text = {0};
    size_t i;
    json_t *port;
    json_array_foreach(ports, i, port)
    {
        const char *name = member_text(port, "name");
        text_append_format(&text, "%s%s%s%lld/%s", i ? ", " : "", name, *name ? "=" : "",
                           member_int(port, "containerPort"), member_text(port, "protocol"));
        if (json_is_integer(member(port, "hostPort")))
            text_append_format(&text, " on %s:%lld", member_text(port, "hostAddress"),
                               member_int(port, "hostPort"));
    }
    line("ports", arena_strdup(&cli->arena, text_string(&text)));
}

static void show_probe(struct cli *cli, const json_t *object, const char *name)
{
    static const char *const kinds_of_probe[] = {"http", "tcp", "exec"};
    const json_t *probe = member(object, name);
    for (size_t i = 0; i < 3 && json_is_object(probe); i++) {
        const json_t *inner = member(probe, kinds_of_probe[i]);
        if (!json_is_object(inner))
            continue;
        const char *port = member_shown(&cli->arena, inner, "port");
        char *command = json_dumps(member(inner, "command"), JSON_COMPACT | JSON_ENCODE_ANY);
        line(name, arena_format(&cli->arena, "%s %s%s%s every %s, %lld failures in a row count",
                                kinds_of_probe[i], *port ? port : "", member_text(inner, "path"),
                                command ? command : "", member_text(probe, "interval"),
                                member_int(probe, "failureThreshold")));
        free(command);
    }
}

static void show_status(struct cli *cli, const json_t *object)
{
    const json_t *status = member(object, "status");
    const char *phase = member_text(status, "phase");
    heading("Status");
    line("phase", arena_format(&cli->arena, "%s for %s", phase,
                               age_of(&cli->arena, member_text(status, "phaseSince"))));
    line("reason", member_text(status, "reason"));
    line("message", member_text(status, "message"));
    line("replicas",
         arena_format(&cli->arena,
                      "%lld desired, %lld current, %lld updated, %lld ready, %lld available, %lld "
                      "stopping",
                      member_int(status, "desired"), member_int(status, "current"),
                      member_int(status, "updated"), member_int(status, "ready"),
                      member_int(status, "available"), member_int(status, "stopping")));
    line("revision", member_shown(&cli->arena, status, "revision"));
    line("restarts", member_shown(&cli->arena, status, "restarts"));
    if (json_is_object(member(status, "rolledBackFrom")))
        line("rolled back from", arena_format(&cli->arena, "revision %lld: %s: %s",
                                              member_int(status, "rolledBackFrom.revision"),
                                              member_text(status, "rolledBackFrom.reason"),
                                              member_text(status, "rolledBackFrom.message")));
}

static void describe_deployment(struct cli *cli, const json_t *object)
{
    static const char *const first[] = {"name",    "labels", "annotations", "mode", "image",
                                        "command", "args",   "workingDir",  "env",  NULL};
    static const char *const last[] = {"containerLabels", "placement.constraints",
                                       "placement.scheduler", NULL};
    const char *name = member_text(object, "name");
    show_members(cli, object, first);
    show_ports(cli, member(object, "ports"));
    line("cpu", amounts(cli, object, "resources.cpu", "resources.cpuLimit"));
    line("memory", amounts(cli, object, "resources.memory", "resources.memoryLimit"));
    show_probe(cli, object, "startupProbe");
    show_probe(cli, object, "livenessProbe");
    show_probe(cli, object, "readinessProbe");
    show_members(cli, object, last);
    line("rollout",
         arena_format(&cli->arena, "%s, surge %s, unavailable %s, deadline %s%s",
                      member_text(object, "rollout.strategy"),
                      member_shown(&cli->arena, object, "rollout.maxSurge"),
                      member_shown(&cli->arena, object, "rollout.maxUnavailable"),
                      member_text(object, "rollout.progressDeadline"),
                      member_true(object, "rollout.autoRollback") ? ", automatic rollback" : ""));
    line("created", arena_format(&cli->arena, "%s ago",
                                 age_of(&cli->arena, member_text(object, "createdAt"))));
    show_status(cli, object);
    const char *escaped = client_escape(cli, name);
    show_table(cli, "Containers", "containers",
               arena_format(&cli->arena, "/containers?deployment=%s", escaped));
    show_table(cli, "Services", "services",
               arena_format(&cli->arena, "/services?deployment=%s", escaped));
}

void show_end(struct cli *cli, const json_t *end)
{
    size_t i;
    json_t *row;
    const char *signal = member_shown(&cli->arena, end, "signal");
    printf("%s  exit code %s%s%s%s  ", member_text(end, "at"),
           member_shown(&cli->arena, end, "exitCode"), *signal ? ", signal " : "", signal,
           member_true(end, "oom") ? ", out of memory" : "");
    const char *reason = member_text(end, "reason");
    print_foreign(stdout, reason, strlen(reason), false);
    putchar('\n');
    json_array_foreach(member(end, "log"), i, row)
    {
        const char *text = json_is_string(row) ? json_string_value(row) : member_text(row, "line");
        fputs("    | ", stdout);
        print_foreign(stdout, text, strlen(text), false);
        putchar('\n');
    }
}

static void describe_container(struct cli *cli, const json_t *object)
{
    static const char *const names[] = {
        "id",        "deployment",  "slot",     "revision", "node",      "labels",
        "image",     "imageDigest", "state",    "ready",    "reason",    "message",
        "restarts",  "nextStartAt", "exitCode", "address",  "runtimeId", "createdAt",
        "startedAt", "finishedAt",  NULL};
    size_t i;
    json_t *end;
    show_members(cli, object, names);
    show_ports(cli, member(object, "ports"));
    line("cpu", amounts(cli, object, "resources.cpu", "resources.cpuLimit"));
    line("memory", amounts(cli, object, "resources.memory", "resources.memoryLimit"));
    if (json_array_size(member(object, "ends")))
        heading("Last ends");
    json_array_foreach(member(object, "ends"), i, end) show_end(cli, end);
}

static void describe_node(struct cli *cli, const json_t *object)
{
    static const char *const names[] = {"name",        "address",    "labels",   "state",
                                        "schedulable", "draining",   "capacity", "reserved",
                                        "allocated",   "containers", "runtime",  "lastHeartbeatAt",
                                        "createdAt",   NULL};
    show_members(cli, object, names);
    show_table(cli, "Containers", "containers",
               arena_format(&cli->arena, "/containers?node=%s",
                            client_escape(cli, member_text(object, "name"))));
}

static void show_endpoints(struct cli *cli, const char *service)
{
    static const char *const heads[] = {"CONTAINER", "NODE",   "ADDRESS", "STATE",
                                        "IN FLIGHT", "SERVED", "FAILED"};
    static const char *const members[] = {"container", "node",   "address", "state",
                                          "inFlight",  "served", "failed"};
    struct table table;
    size_t i;
    json_t *endpoint;
    json_t *all = client_list(
        cli, arena_format(&cli->arena, "/services/%s/endpoints", client_escape(cli, service)),
        "list the endpoints");
    table_init(&table, &cli->arena, heads, 7);
    json_array_foreach(all, i, endpoint)
    {
        struct cell *row = table_row(&table);
        for (size_t j = 0; j < 7; j++)
            row[j].text = member_shown(&cli->arena, endpoint, members[j]);
        row[3].paint = state_paint(row[3].text);
    }
    heading("Endpoints");
    table_print(&table, stdout, false);
    table_finish(&table);
    json_decref(all);
}

/* Of the last ten seconds. */
static void show_traffic(struct cli *cli, const char *service)
{
    size_t i;
    json_t *item;
    json_t *all = client_list(cli, "/traffic?by=service&since=10s", "ask for traffic");
    json_array_foreach(all, i, item)
    {
        if (strcmp(member_text(item, "name"), service) != 0)
            continue;
        struct arena *arena = &cli->arena;
        line("traffic", arena_format(arena, "%s requests/s, %s errors/s",
                                     member_shown(arena, item, "requestsPerSecond"),
                                     member_shown(arena, item, "errorsPerSecond")));
        if (!json_is_null(member(item, "p50Ms")))
            line("latency",
                 arena_format(arena, "p50 %s ms, p99 %s ms", member_shown(arena, item, "p50Ms"),
                              member_shown(arena, item, "p99Ms")));
    }
    json_decref(all);
}

static void describe_service(struct cli *cli, const json_t *object)
{
    static const char *const names[] = {"name",
                                        "deployment",
                                        "listen",
                                        "targetPort",
                                        "protocol",
                                        "tls",
                                        "balancer",
                                        "balancerConfig",
                                        "drainTimeout",
                                        "connectTimeout",
                                        "idleTimeout",
                                        "slowStart",
                                        "maxConnections",
                                        "weight",
                                        "headers",
                                        "trustedProxies",
                                        "maxConnectionsPerClient",
                                        "createdAt",
                                        NULL};
    size_t i;
    json_t *listener, *ejection;
    show_members(cli, object, names);
    json_array_foreach(member(object, "status.listeners"), i, listener) line(
        "listener", arena_format(&cli->arena, "%s on node %s %s", member_text(listener, "state"),
                                 member_text(listener, "node"), member_text(listener, "message")));
    json_array_foreach(member(object, "status.ejections"), i, ejection)
        line("left out",
             arena_format(&cli->arena, "%s by node %s: %s", member_text(ejection, "container"),
                          member_text(ejection, "node"), member_text(ejection, "message")));
    show_traffic(cli, member_text(object, "name"));
    show_endpoints(cli, member_text(object, "name"));
}

static int describe(struct cli *cli, const struct kind *kind, const char *name)
{
    static const struct {
        const char *plural;
        void (*show)(struct cli *cli, const json_t *object);
    } shows[] = {{"deployments", describe_deployment},
                 {"containers", describe_container},
                 {"nodes", describe_node},
                 {"services", describe_service}};
    if (strcmp(kind->plural, "containers") == 0 && !(name = container_id(cli, name)))
        return STATUS_FAILED;
    const char *path = arena_format(&cli->arena, "%s/%s", kind->path, client_escape(cli, name));
    json_t *object = client_ask(cli, "GET", path, NULL, "describe %s \"%s\"", kind->singular, name);
    if (!object)
        return client_status(cli);
    for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++)
        if (strcmp(shows[i].plural, kind->plural) == 0)
            shows[i].show(cli, object);
    show_events(cli, arena_format(&cli->arena, "%s/%s", kind->plural, name));
    json_decref(object);
    return STATUS_FINE;
}

int run_describe(struct cli *cli)
{
    const char *first = cli->words[0], *slash = strchr(first, '/');
    const char *word = slash ? arena_strndup(&cli->arena, first, (size_t)(slash - first)) : first;
    const struct kind *kind = kind_find(cli, word);
    if (!kind)
        return STATUS_FAILED;
    if (slash)
        return describe(cli, kind, slash + 1);
    if (!kind->one || cli->word_count < 2)
        return complain(STATUS_FAILED, "orchctl describe --help says more", "describe what %s?",
                        kind->one ? kind->singular : "cannot be described");
    int status = STATUS_FINE;
    for (size_t i = 1; i < cli->word_count; i++) {
        if (i > 1)
            putchar('\n');
        int one = describe(cli, kind, cli->words[i]);
        status = one ? one : status;
    }
    return status;
}
