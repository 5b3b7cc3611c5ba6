/* The cluster as a whole: events, cluster, top, version, whoami, config. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"
#include "watch.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- events -- */

struct event_filter {
    struct cli *cli;
    const char *object, *type;
    enum format format;
    struct table table;
    struct arena scratch; /* of the rows not yet printed */
};

static bool passes(const struct event_filter *filter, const json_t *event)
{
    return (!filter->object || strcmp(member_text(event, "object"), filter->object) == 0) &&
           (!filter->type || strcmp(member_text(event, "type"), filter->type) == 0);
}

static void show_event(struct event_filter *filter, const json_t *event)
{
    if (filter->format == FORMAT_JSON || filter->format == FORMAT_YAML) {
        output_json(event, true);
        return;
    }
    struct cell row[TABLE_COLUMNS] = {0};
    kind_named("events")->fill(&filter->scratch, event, row);
    memcpy(table_row(&filter->table), row, filter->table.columns * sizeof *row);
}

static enum watch_verdict event_came(void *user, const char *kind, const char *type,
                                     const json_t *object)
{
    struct event_filter *filter = user;
    if (strcmp(kind, "events") == 0 && strcmp(type, "added") == 0 && passes(filter, object)) {
        show_event(filter, object);
        table_print(&filter->table, stdout, option_given(filter->cli, "no-headers"));
        arena_finish(&filter->scratch);
    }
    return WATCH_GO_ON;
}

/* "web", "deployment/web", "c/web-0-abc" as the server's "deployments/web". */
static const char *object_of(struct cli *cli, const char *word)
{
    const char *slash = strchr(word, '/');
    const struct kind *kind =
        slash ? kind_named(arena_strndup(&cli->arena, word, (size_t)(slash - word)))
              : kind_named("deployments");
    if (!kind)
        return word;
    return arena_format(&cli->arena, "%s/%s", kind->plural, slash ? slash + 1 : word);
}

/* The latest `tail` of them, oldest first; returns the list's seq, -1 when it has complained. */
static long long show_latest(struct event_filter *filter, long long tail)
{
    struct cli *cli = filter->cli;
    const char *path = arena_format(
        &cli->arena, "/events?order=desc&limit=%lld%s%s%s%s", tail,
        filter->object ? "&object=" : "", filter->object ? client_escape(cli, filter->object) : "",
        filter->type ? "&type=" : "", filter->type ? client_escape(cli, filter->type) : "");
    json_t *reply = client_ask(cli, "GET", path, NULL, "list events");
    if (!reply)
        return -1;
    const json_t *items = json_object_get(reply, "items");
    for (size_t i = json_array_size(items); i-- > 0;)
        show_event(filter, json_array_get(items, i));
    if (filter->table.rows)
        table_print(&filter->table, stdout, option_given(cli, "no-headers"));
    long long seq = member_int(reply, "seq");
    json_decref(reply);
    return seq;
}

int run_events(struct cli *cli)
{
    const struct kind *kind = kind_named("events");
    long long tail;
    struct event_filter filter = {.cli = cli,
                                  .object = cli->word_count ? object_of(cli, cli->words[0]) : NULL,
                                  .type = option_given(cli, "warnings") ? "warning" : NULL};
    if (!option_int(cli, "tail", 1, 5000, 50, &tail) || !output_format(cli, &filter.format))
        return STATUS_FAILED;
    bool wide = filter.format == FORMAT_WIDE;
    table_init(&filter.table, &filter.scratch, kind->heads, wide ? kind->columns : kind->plain);
    long long seq = show_latest(&filter, tail);
    int status = seq < 0 ? client_status(cli) : STATUS_FINE;
    if (seq >= 0 && option_given(cli, "watch"))
        status = watch_run(
            cli, &(struct watch){.query = arena_format(&cli->arena, "kinds=events&since=%lld", seq),
                                 .doing = "watch events",
                                 .change = event_came,
                                 .user = &filter});
    table_finish(&filter.table);
    arena_finish(&filter.scratch);
    return status;
}

/* -- cluster -- */

/* "3 complete, 1 pending": what is not zero. */
static const char *counts_of(struct cli *cli, const json_t *counts)
{
    CLEANUP(text_finish) struct text text = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)counts, key, value)
    {
        if (json_integer_value(value))
            text_append_format(&text, "%s%lld %s", text.length ? ", " : "",
                               (long long)json_integer_value(value), key);
    }
    return text.length ? arena_strdup(&cli->arena, text_string(&text)) : "none";
}

static void show_unplaced(const json_t *survives)
{
    const json_t *rows = member(survives, "unplaced");
    const json_t *row = json_array_get(rows, 0);
    size_t more = json_array_size(rows);
    if (!row)
        return;
    printf("                without %s, %lld of deployment %s fit nowhere: %s\n",
           member_text(row, "node"), member_int(row, "replicas"), member_text(row, "deployment"),
           *member_text(row, "nearest.message") ? member_text(row, "nearest.message")
                                                : member_text(row, "why"));
    if (more > 1)
        printf("                and %lld more: orchctl cluster -o json\n",
               member_int(survives, "unplacedTotal") - 1);
}

static void show_survival(struct cli *cli, const json_t *survives)
{
    const json_t *any = member(survives, "anyNode");
    if (!any)
        return;
    const char *age = age_of(&cli->arena, member_text(survives, "at"));
    if (json_is_null(any))
        printf("one node lost:  not known yet\n");
    else if (json_is_true(any))
        printf("one node lost:  everything would fit elsewhere (looked at %s ago)\n", age);
    else
        printf("one node lost:  not survived for %lld of %lld nodes (looked at %s ago)\n",
               member_int(survives, "nodesNotSurvived"), member_int(survives, "nodesChecked"), age);
    show_unplaced(survives);
}

int run_cluster(struct cli *cli)
{
    enum format format;
    if (!output_format(cli, &format))
        return STATUS_FAILED;
    json_t *cluster = client_ask(cli, "GET", "/cluster", NULL, "ask for the cluster");
    if (!cluster)
        return client_status(cli);
    if (format == FORMAT_JSON || format == FORMAT_YAML) {
        format == FORMAT_JSON ? output_json(cluster, false) : output_yaml(cluster);
    } else {
        printf("server:         %s, version %s, up %s\n", client_url(cli),
               member_text(cluster, "version"),
               age_of(&cli->arena, member_text(cluster, "startedAt")));
        printf("deployments:    %s\n", counts_of(cli, member(cluster, "summary.deployments")));
        printf("containers:     %s\n", counts_of(cli, member(cluster, "summary.containers")));
        printf("nodes:          %s\n", counts_of(cli, member(cluster, "summary.nodes")));
        printf("replicas:       %lld of %lld ready\n", member_int(cluster, "summary.ready"),
               member_int(cluster, "summary.desired"));
        show_survival(cli, member(cluster, "survives"));
    }
    json_decref(cluster);
    return STATUS_FINE;
}

/* -- top -- */

/* Cores or bytes of what the API writes ("250m", "16Gi"). */
static double amount_of_text(const char *text)
{
    static const char units[] = "KMGTPE";
    char *end;
    double value = strtod(text, &end);
    if (*end == 'm')
        return value / 1000;
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    for (const char *at = units; unit && at <= unit; at++)
        value *= end[1] == 'i' ? 1024 : 1000;
    return value;
}

static struct cell share(struct cli *cli, const json_t *node, const char *part)
{
    const char *used = member_text(node, arena_format(&cli->arena, "allocated.%s", part));
    const char *whole = member_text(node, arena_format(&cli->arena, "capacity.%s", part));
    double of = amount_of_text(whole);
    int percent = of > 0 ? (int)(100 * amount_of_text(used) / of + 0.5) : 0;
    return (struct cell){arena_format(&cli->arena, "%s of %s (%d%%)", used, whole, percent),
                         percent >= 90   ? PAINT_RED
                         : percent >= 70 ? PAINT_YELLOW
                                         : PAINT_NONE};
}

/* What is used now, by object; NULL: the server does not know. */
static json_t *ask_stats(struct cli *cli, const char *query)
{
    struct reply reply;
    json_t *items = NULL;
    const char *path = arena_format(&cli->arena, "/stats?since=10s%s", query);
    if (!client_call(cli, "GET", path, NULL, &reply))
        return NULL;
    if (reply.status == 200)
        items = json_incref(json_object_get(reply.body, "items"));
    reply_finish(&reply);
    return items;
}

/* Cores and memory that are used, into two cells. */
static void fill_usage(struct cli *cli, const json_t *item, struct cell *row)
{
    row[0].text = arena_format(&cli->arena, "%lldm", member_int(item, "cpuMillis"));
    row[1].text = arena_format(&cli->arena, "%lldMi", member_int(item, "memoryBytes") >> 20);
}

static void fill_usage_of(struct cli *cli, const json_t *items, const char *object,
                          struct cell *row)
{
    size_t i;
    json_t *item;
    row[0].text = row[1].text = "-";
    json_array_foreach(items, i, item)
    {
        if (strcmp(member_text(item, "object"), object) == 0)
            fill_usage(cli, item, row);
    }
}

/* Rows of those that `query` chooses; what they hold lives in `kept`. */
static void add_containers(struct cli *cli, struct table *table, const char *query, json_t *kept)
{
    size_t i;
    json_t *item, *items = ask_stats(cli, query);
    json_array_foreach(items, i, item)
    {
        if (!text_starts_with(member_text(item, "object"), "containers/"))
            continue;
        struct cell *row = table_row(table);
        row[0].text = member_text(item, "name");
        fill_usage(cli, item, row + 1);
        row[3].text = member_shown(&cli->arena, item, "networkInBytesPerSecond");
        row[4].text = member_shown(&cli->arena, item, "networkOutBytesPerSecond");
    }
    if (items)
        json_array_append_new(kept, items);
}

/* Of a deployment, else of every node. */
static int top_containers(struct cli *cli, const char *deployment)
{
    static const char *const heads[] = {"CONTAINER", "CPU USED", "MEMORY USED", "IN/S", "OUT/S"};
    struct table table;
    size_t i;
    json_t *node, *nodes = client_list(cli, "/nodes", "list nodes"), *kept = json_array();
    table_init(&table, &cli->arena, heads, 5);
    if (deployment)
        add_containers(cli, &table,
                       arena_format(&cli->arena, "&deployment=%s", client_escape(cli, deployment)),
                       kept);
    else
        json_array_foreach(nodes, i, node) add_containers(
            cli, &table,
            arena_format(&cli->arena, "&node=%s", client_escape(cli, member_text(node, "name"))),
            kept);
    table_print(&table, stdout, false);
    table_finish(&table);
    int status = nodes ? STATUS_FINE : client_status(cli);
    json_decref(kept);
    json_decref(nodes);
    return status;
}

static int top_nodes(struct cli *cli)
{
    static const char *const heads[] = {"NODE",         "STATE",           "CONTAINERS",
                                        "CPU RESERVED", "MEMORY RESERVED", "CPU USED",
                                        "MEMORY USED"};
    struct table table;
    size_t i;
    json_t *node, *nodes = client_list(cli, "/nodes", "list nodes");
    if (!nodes)
        return client_status(cli);
    json_t *used = ask_stats(cli, "");
    table_init(&table, &cli->arena, heads, 7);
    json_array_foreach(nodes, i, node)
    {
        struct cell *row = table_row(&table);
        const char *state = member_text(node, "state");
        row[0].text = member_text(node, "name");
        row[1] = (struct cell){state, state_paint(state)};
        row[2].text = member_shown(&cli->arena, node, "containers");
        row[3] = share(cli, node, "cpu");
        row[4] = share(cli, node, "memory");
        fill_usage_of(cli, used, arena_format(&cli->arena, "nodes/%s", row[0].text), row + 5);
    }
    table_print(&table, stdout, false);
    table_finish(&table);
    json_decref(used);
    json_decref(nodes);
    return STATUS_FINE;
}

static int top_traffic(struct cli *cli, const char *by)
{
    static const char *const heads[] = {"NAME",   "REQUESTS/S", "ERRORS/S", "P50 MS",
                                        "P99 MS", "IN FLIGHT",  "CPU USED", "MEMORY USED"};
    static const char *const members[] = {"requestsPerSecond", "errorsPerSecond", "p50Ms", "p99Ms",
                                          "inFlight"};
    struct table table;
    size_t i;
    json_t *item;
    json_t *all = client_list(cli, arena_format(&cli->arena, "/traffic?by=%s&since=10s", by),
                              "ask for traffic");
    if (!all)
        return client_status(cli);
    bool of_deployments = strcmp(by, "deployment") == 0;
    json_t *used = of_deployments ? ask_stats(cli, "") : NULL;
    table_init(&table, &cli->arena, heads, of_deployments ? 8 : 6);
    json_array_foreach(all, i, item)
    {
        struct cell *row = table_row(&table);
        const char *name = member_text(item, "name");
        row[0].text = *name ? name : member_text(item, by);
        for (size_t j = 0; j < 5; j++)
            row[j + 1].text = member_shown(&cli->arena, item, members[j]);
        if (of_deployments)
            fill_usage_of(cli, used, arena_format(&cli->arena, "deployments/%s", row[0].text),
                          row + 6);
    }
    table_print(&table, stdout, false);
    table_finish(&table);
    json_decref(used);
    json_decref(all);
    return STATUS_FINE;
}

int run_top(struct cli *cli)
{
    const struct kind *kind = kind_find(cli, cli->word_count ? cli->words[0] : "nodes");
    if (!kind)
        return STATUS_FAILED;
    if (strcmp(kind->plural, "nodes") == 0)
        return top_nodes(cli);
    if (strcmp(kind->plural, "deployments") == 0 || strcmp(kind->plural, "services") == 0)
        return top_traffic(cli, kind->singular);
    if (strcmp(kind->plural, "containers") == 0)
        return top_containers(cli, cli->word_count > 1 ? cli->words[1] : NULL);
    return complain(STATUS_FAILED, NULL,
                    "top shows nodes, deployments, services or containers, not %s", kind->plural);
}

/* -- the rest -- */

int run_version(struct cli *cli)
{
    struct reply reply;
    puts("orchctl " ORCHESTRATOR_VERSION);
    if (option_given(cli, "client"))
        return STATUS_FINE;
    fflush(stdout);
    if (!client_call(cli, "GET", "/cluster", NULL, &reply))
        return client_status(cli);
    int status = STATUS_FINE;
    if (reply.status == 200)
        printf("server %s at %s\n", member_text(reply.body, "version"), client_url(cli));
    else
        status = client_complain(cli, &reply, "/cluster", "ask the server for its version");
    reply_finish(&reply);
    return status;
}

int run_whoami(struct cli *cli)
{
    json_t *who = client_ask(cli, "GET", "/whoami", NULL, "ask who this key is");
    if (!who)
        return client_status(cli);
    printf("%s, role %s, at %s (from %s)\n", member_text(who, "key"), member_text(who, "role"),
           client_url(cli), client_address(cli)->origin);
    json_decref(who);
    return STATUS_FINE;
}

int run_config(struct cli *cli)
{
    static const char *const heads[] = {"SETTING", "VALUE", "FROM"};
    enum format format;
    struct table table;
    size_t i;
    json_t *item;
    if (!output_format(cli, &format))
        return STATUS_FAILED;
    json_t *config = client_ask(cli, "GET", "/config", NULL, "read the server's configuration");
    if (!config)
        return client_status(cli);
    if (format == FORMAT_JSON || format == FORMAT_YAML) {
        format == FORMAT_JSON ? output_json(config, false) : output_yaml(config);
        json_decref(config);
        return STATUS_FINE;
    }
    table_init(&table, &cli->arena, heads, 3);
    json_array_foreach(member(config, "items"), i, item)
    {
        struct cell *row = table_row(&table);
        char *dump = json_dumps(member(item, "value"), JSON_COMPACT | JSON_ENCODE_ANY);
        row[0].text = member_text(item, "path");
        row[1].text = json_is_string(member(item, "value"))
                          ? member_text(item, "value")
                          : arena_strdup(&cli->arena, dump ? dump : "");
        row[2].text = member_text(item, "origin");
        free(dump);
    }
    table_print(&table, stdout, false);
    table_finish(&table);
    json_decref(config);
    return STATUS_FINE;
}
