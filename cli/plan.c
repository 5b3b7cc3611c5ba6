/* plan: what a change would do, computed by the server. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "manifest.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char *text)
{
    print_foreign(stdout, text, strlen(text), false);
    putchar('\n');
}

/* -- what is asked -- */

static json_t *items_of_files(struct cli *cli)
{
    struct manifests manifests;
    if (!manifests_read(cli, &manifests))
        return NULL;
    json_t *items = json_array();
    for (size_t i = 0; i < manifests.count; i++)
        json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:O}", "op", "put", "kind",
                                               manifests.items[i].kind->plural, "name",
                                               manifests.items[i].name, "object",
                                               manifests.items[i].body));
    manifests_finish(&manifests);
    return items;
}

static json_t *scale_item(struct cli *cli, const char *name)
{
    char *end = NULL;
    errno = 0;
    long long replicas = cli->word_count > 2 ? strtoll(cli->words[2], &end, 10) : -1;
    if (!end || errno || *end || end == cli->words[2] || replicas < 0) {
        complain(STATUS_FAILED, "for example: orchctl plan scale web 5", "scale to how many?");
        return NULL;
    }
    return json_pack("[{s:s, s:s, s:s, s:{s:I}}]", "op", "scale", "kind", "deployments", "name",
                     name, "object", "replicas", (json_int_t)replicas);
}

static json_t *items_of_words(struct cli *cli)
{
    static const struct {
        const char *op, *kind;
    } known[] = {
        {"delete", "deployments"}, {"drain", "nodes"}, {"cordon", "nodes"}, {"lose", "nodes"}};
    const char *op = cli->words[0], *name = cli->word_count > 1 ? cli->words[1] : NULL;
    if (name && strcmp(op, "scale") == 0)
        return scale_item(cli, name);
    for (size_t i = 0; name && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].op, op) == 0)
            return json_pack("[{s:s, s:s, s:s}]", "op", op, "kind", known[i].kind, "name", name);
    complain(STATUS_FAILED, "orchctl plan --help lists them", "there is no plan for \"%s%s\"", op,
             name ? "" : "\" of nothing");
    return NULL;
}

/* -- what is answered -- */

static void show_changes(const json_t *changes)
{
    size_t i;
    json_t *change;
    json_array_foreach(changes, i, change)
    {
        char *from = json_dumps(member(change, "from"), JSON_COMPACT | JSON_ENCODE_ANY);
        char *to = json_dumps(member(change, "to"), JSON_COMPACT | JSON_ENCODE_ANY);
        const char *object = member_text(change, "object"), *path = member_text(change, "path");
        printf("~ ");
        print_foreign(stdout, object, strlen(object), false);
        printf(" ");
        print_foreign(stdout, path, strlen(path), false);
        printf(": ");
        print_foreign(stdout, from ? from : "null", strlen(from ? from : "null"), false);
        printf(" -> ");
        say(to ? to : "null");
        free(from);
        free(to);
    }
}

/* One line for each: "+ slot 3 on node-1", "- web-2-abc on node-2". */
static void show_moves(struct cli *cli, const json_t *list, char sign, enum paint paint,
                       const char *what)
{
    size_t i;
    json_t *move;
    json_array_foreach(list, i, move)
    {
        printf("%s%c %s", paint_on(stdout, paint), sign, paint_off(stdout));
        say(arena_format(&cli->arena, "%s %s on %s", what,
                         member_shown(&cli->arena, move, *what == 's' ? "slot" : "container"),
                         member_text(move, "node")));
    }
}

static void show_unplaced(struct cli *cli, const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        const json_t *why = member(one, "why");
        char *dump = json_is_string(why) ? memory_strdup(json_string_value(why))
                                         : json_dumps(why, JSON_COMPACT | JSON_ENCODE_ANY);
        printf("%s! %s", paint_on(stdout, PAINT_RED), paint_off(stdout));
        say(arena_format(&cli->arena, "slot %s fits nowhere: %s",
                         member_shown(&cli->arena, one, "slot"), dump ? dump : ""));
        free(dump);
    }
}

static void show_warnings(const json_t *warnings)
{
    size_t i;
    json_t *warning;
    json_array_foreach(warnings, i, warning)
    {
        printf("%swarning:%s ", paint_on(stdout, PAINT_YELLOW), paint_off(stdout));
        say(json_is_string(warning) ? json_string_value(warning) : member_text(warning, "message"));
    }
}

static bool has_changes(const json_t *plan)
{
    return json_array_size(member(plan, "changes")) || json_array_size(member(plan, "start")) ||
           json_array_size(member(plan, "stop")) || json_array_size(member(plan, "unplaced"));
}

static void show(struct cli *cli, const json_t *plan)
{
    size_t i;
    json_t *service;
    if (!has_changes(plan))
        say("nothing would change");
    show_changes(member(plan, "changes"));
    show_moves(cli, member(plan, "stop"), '-', PAINT_RED, "container");
    show_moves(cli, member(plan, "start"), '+', PAINT_GREEN, "slot");
    show_unplaced(cli, member(plan, "unplaced"));
    json_array_foreach(member(plan, "services"), i, service)
        say(arena_format(&cli->arena, "  service %s: at least %lld ready all the time",
                         member_text(service, "name"), member_int(service, "readyAtLeast")));
    show_warnings(member(plan, "warnings"));
    if (*member_text(plan, "token") && has_changes(plan))
        say(arena_format(&cli->arena, "\nto do just that: orchctl apply --plan %s  (until %s)",
                         member_text(plan, "token"), member_text(plan, "expiresAt")));
}

int run_plan(struct cli *cli)
{
    enum format format;
    if (!output_format(cli, &format))
        return STATUS_FAILED;
    json_t *items = cli->word_count ? items_of_words(cli) : items_of_files(cli);
    if (!items)
        return STATUS_FAILED;
    json_t *body = json_pack("{s:o}", "items", items);
    json_t *plan = client_ask(cli, "POST", "/plan", body, "plan");
    json_decref(body);
    if (!plan)
        return client_status(cli);
    if (format == FORMAT_JSON)
        output_json(plan, false);
    else if (format == FORMAT_YAML)
        output_yaml(plan);
    else
        show(cli, plan);
    int status = has_changes(plan) ? STATUS_CHANGES : STATUS_FINE;
    json_decref(plan);
    return status;
}
