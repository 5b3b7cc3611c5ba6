/* get: lists and objects, once or as they change. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>

/* -- printing -- */

json_t *manifest_of(const struct kind *kind, const json_t *object)
{
    static const char *const computed[] = {"status",    "uid",       "version",  "seq",
                                           "createdAt", "updatedAt", "namespace"};
    json_t *manifest = json_object();
    char *name = memory_strdup(kind->singular);
    name[0] = (char)(name[0] - 'a' + 'A');
    json_object_set_new(manifest, "kind", json_string(name));
    json_object_update(manifest, (json_t *)object);
    for (size_t i = 0; i < sizeof computed / sizeof computed[0]; i++)
        json_object_del(manifest, computed[i]);
    free(name);
    return manifest;
}

static bool is_declared(const struct kind *kind)
{
    return strcmp(kind->plural, "deployments") == 0 || strcmp(kind->plural, "services") == 0;
}

/* Declared kinds come as manifests that `apply` takes; the others as they are. */
static void print_yaml(const struct kind *kind, const json_t *objects)
{
    size_t i;
    json_t *object;
    json_array_foreach(objects, i, object)
    {
        json_t *shown = is_declared(kind) ? manifest_of(kind, object) : json_incref(object);
        if (i)
            puts("---");
        output_yaml(shown);
        json_decref(shown);
    }
}

static void print_json(const json_t *objects, bool list)
{
    if (!list && json_array_size(objects) == 1) {
        output_json(json_array_get(objects, 0), false);
        return;
    }
    json_t *all = json_pack("{s:O}", "items", objects);
    output_json(all, false);
    json_decref(all);
}

static void print_names(struct cli *cli, const struct kind *kind, const json_t *objects)
{
    size_t i;
    json_t *object;
    bool bare = option_given(cli, "quiet");
    json_array_foreach(objects, i, object)
    {
        const char *key = member_shown(&cli->arena, object, kind->key);
        if (!bare)
            printf("%s/", kind->singular);
        print_foreign(stdout, key, strlen(key), false);
        putchar('\n');
    }
}

static void add_row(struct table *table, const struct kind *kind, const json_t *object)
{
    struct cell all[TABLE_COLUMNS] = {0}, *row = table_row(table);
    kind->fill(table->arena, object, all);
    for (size_t i = 0; i < table->columns; i++)
        row[i] = (struct cell){arena_strdup(table->arena, all[i].text), all[i].paint};
}

static void table_for(struct cli *cli, struct table *table, const struct kind *kind, bool wide)
{
    table_init(table, &cli->arena, kind->heads, wide ? kind->columns : kind->plain);
}

static void print_table(struct cli *cli, const struct kind *kind, const json_t *objects, bool wide)
{
    struct table table;
    size_t i;
    json_t *object;
    if (!json_array_size(objects)) {
        remark("no %s", kind->plural);
        return;
    }
    table_for(cli, &table, kind, wide);
    json_array_foreach(objects, i, object) add_row(&table, kind, object);
    table_print(&table, stdout, option_given(cli, "no-headers"));
    table_finish(&table);
}

int print_objects(struct cli *cli, const struct kind *kind, const json_t *objects, bool list)
{
    enum format format;
    if (!output_format(cli, &format))
        return STATUS_FAILED;
    switch (format) {
    case FORMAT_TABLE:
    case FORMAT_WIDE:
        print_table(cli, kind, objects, format == FORMAT_WIDE);
        break;
    case FORMAT_JSON:
        print_json(objects, list);
        break;
    case FORMAT_YAML:
        print_yaml(kind, objects);
        break;
    case FORMAT_NAME:
        print_names(cli, kind, objects);
        break;
    }
    return STATUS_FINE;
}

/* -- asking -- */

/* The filters that the options give, as a query: "?deployment=web&selector=a%3Db". */
static const char *query_of(struct cli *cli, const struct kind *kind)
{
    static const struct {
        const char *option, *parameter;
    } filters[] = {{"selector", "selector"},
                   {"deployment", "deployment"},
                   {"node", "node"},
                   {"state", "state"}};
    CLEANUP(text_finish) struct text query = {0};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        const char *value = option_value(cli, filters[i].option);
        if (value)
            text_append_format(&query, "%s%s=%s", query.length ? "&" : "?", filters[i].parameter,
                               client_escape(cli, value));
    }
    if (strcmp(kind->plural, "events") == 0)
        text_append_format(&query, "%sorder=asc", query.length ? "&" : "?");
    return arena_strdup(&cli->arena, text_string(&query));
}

static bool add_named(struct cli *cli, const struct kind *kind, const char *name, json_t *objects)
{
    if (!kind->one)
        return complain(0, NULL, "%s are listed, not asked for by name", kind->plural);
    if (strcmp(kind->plural, "containers") == 0 && !(name = container_id(cli, name)))
        return false;
    const char *path = arena_format(&cli->arena, "%s/%s", kind->path, client_escape(cli, name));
    json_t *object = client_ask(cli, "GET", path, NULL, "get %s \"%s\"", kind->singular, name);
    if (!object)
        return false;
    json_array_append_new(objects, object);
    return true;
}

/* A failed name is told, and the others are shown. */
static int get_named(struct cli *cli, const struct kind *kind, const char *const *names,
                     size_t count)
{
    json_t *objects = json_array();
    int status = STATUS_FINE;
    for (size_t i = 0; i < count; i++)
        if (!add_named(cli, kind, names[i], objects))
            status = client_status(cli);
    if (json_array_size(objects)) {
        int printed = print_objects(cli, kind, objects, count > 1);
        status = status ? status : printed;
    }
    json_decref(objects);
    return status;
}

static int get_list(struct cli *cli, const struct kind *kind)
{
    const char *path = arena_format(&cli->arena, "%s%s", kind->path, query_of(cli, kind));
    json_t *objects = client_list(cli, path, arena_format(&cli->arena, "list %s", kind->plural));
    if (!objects)
        return client_status(cli);
    int status = print_objects(cli, kind, objects, true);
    json_decref(objects);
    return status;
}

/* -- watching -- */

struct watching {
    struct cli *cli;
    const struct kind *kind;
    const char *const *names;
    size_t name_count;
    struct table table;
    struct arena scratch; /* of the rows not yet printed */
    enum format format;
    bool synced;
};

static bool is_wanted(const struct watching *watching, const json_t *object)
{
    const char *key = member_shown(&watching->cli->arena, object, watching->kind->key);
    const char *node = option_value(watching->cli, "node");
    if (node && strcmp(member_text(object, "node"), node) != 0)
        return false;
    for (size_t i = 0; i < watching->name_count; i++)
        if (text_starts_with(key, watching->names[i]))
            return true;
    return !watching->name_count;
}

static void print_rows(struct watching *watching)
{
    if (watching->table.rows)
        table_print(&watching->table, stdout, option_given(watching->cli, "no-headers"));
    arena_finish(&watching->scratch);
}

static void show_row(struct watching *watching, const char *type, const json_t *object)
{
    struct table *table = &watching->table;
    add_row(table, watching->kind, object);
    struct cell *row = &table->cells[(table->rows - 1) * table->columns];
    for (size_t i = 0; i < table->columns && strcmp(type, "removed") == 0; i++)
        row[i].paint = PAINT_DIM;
    if (watching->synced)
        print_rows(watching);
}

static void show_change(struct watching *watching, const char *type, const json_t *object)
{
    json_t *change;
    switch (watching->format) {
    case FORMAT_JSON:
        change = json_pack("{s:s, s:O}", "type", type, "object", object);
        output_json(change, true);
        json_decref(change);
        break;
    case FORMAT_YAML:
        puts("---");
        output_yaml(object);
        break;
    case FORMAT_NAME:
        puts(member_shown(&watching->cli->arena, object, watching->kind->key));
        break;
    case FORMAT_TABLE:
    case FORMAT_WIDE:
        show_row(watching, type, object);
        break;
    }
    fflush(stdout);
}

static enum watch_verdict watch_object(void *user, const char *kind, const char *type,
                                       const json_t *object)
{
    struct watching *watching = user;
    if (strcmp(kind, "synced") == 0 && !watching->synced) {
        watching->synced = true;
        print_rows(watching);
    }
    if (strcmp(kind, watching->kind->plural) == 0 && is_wanted(watching, object))
        show_change(watching, type, object);
    return WATCH_GO_ON;
}

static int watch_kind(struct cli *cli, const struct kind *kind, const char *const *names,
                      size_t count)
{
    struct watching watching = {.cli = cli, .kind = kind, .names = names, .name_count = count};
    if (!kind->watchable)
        return complain(STATUS_FAILED, NULL, "%s cannot be watched", kind->plural);
    if (!output_format(cli, &watching.format))
        return STATUS_FAILED;
    table_for(cli, &watching.table, kind, watching.format == FORMAT_WIDE);
    watching.table.arena = &watching.scratch;
    const char *selector = option_value(cli, "selector"),
               *deployment = option_value(cli, "deployment");
    const struct watch watch = {
        .query = arena_format(
            &cli->arena, "kinds=%s%s%s%s%s", kind->plural, selector ? "&selector=" : "",
            selector ? client_escape(cli, selector) : "", deployment ? "&deployment=" : "",
            deployment ? client_escape(cli, deployment) : ""),
        .doing = arena_format(&cli->arena, "watch %s", kind->plural),
        .change = watch_object,
        .user = &watching};
    int status = watch_run(cli, &watch);
    table_finish(&watching.table);
    arena_finish(&watching.scratch);
    return status;
}

/* -- get KIND [NAME...] -- */

/* "deployments,services" one after the other. */
static int get_kinds(struct cli *cli, const char *words)
{
    int status = STATUS_FINE;
    char *copy = arena_strdup(&cli->arena, words), *word;
    for (bool first = true; (word = strsep(&copy, ",")) && status == STATUS_FINE; first = false) {
        const struct kind *kind = kind_find(cli, word);
        if (!kind)
            return STATUS_FAILED;
        if (!first)
            putchar('\n');
        status = get_list(cli, kind);
    }
    return status;
}

int run_get(struct cli *cli)
{
    const char *first = cli->words[0], *slash = strchr(first, '/');
    if (strcmp(first, "all") == 0)
        first = "deployments,containers,services,nodes";
    if (strchr(first, ',') && cli->word_count == 1 && !option_given(cli, "watch"))
        return get_kinds(cli, first);
    const char *word = slash ? arena_strndup(&cli->arena, first, (size_t)(slash - first)) : first;
    const struct kind *kind = kind_find(cli, word);
    if (!kind)
        return STATUS_FAILED;
    if (slash)
        cli->words[0] = slash + 1;
    const char *const *names = slash ? cli->words : cli->words + 1;
    size_t count = slash ? cli->word_count : cli->word_count - 1;
    if (option_given(cli, "watch"))
        return watch_kind(cli, kind, names, count);
    return count ? get_named(cli, kind, names, count) : get_list(cli, kind);
}

/* A list under another command's name. */
static int list_of(struct cli *cli, const char *plural)
{
    const struct kind *kind = kind_named(plural);
    if (option_given(cli, "watch"))
        return watch_kind(cli, kind, cli->words, cli->word_count);
    return cli->word_count ? get_named(cli, kind, cli->words, cli->word_count)
                           : get_list(cli, kind);
}

int run_node_ls(struct cli *cli)
{
    return list_of(cli, "nodes");
}

int run_service_ls(struct cli *cli)
{
    return list_of(cli, "services");
}

int run_plugin_ls(struct cli *cli)
{
    return list_of(cli, "plugins");
}

json_t *fetch_deployment(struct cli *cli, const char *name)
{
    const char *path = arena_format(&cli->arena, "/deployments/%s", client_escape(cli, name));
    return client_ask(cli, "GET", path, NULL, "get deployment \"%s\"", name);
}
