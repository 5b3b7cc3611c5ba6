/* why, why-not: what something waits for, node by node, and what would help. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

static void say(const char *text)
{
    print_foreign(stdout, text, strlen(text), false);
    putchar('\n');
}

/* A filter's verdict: its own words, else its numbers. */
static const char *check_text(struct cli *cli, const json_t *check)
{
    const char *message = member_text(check, "message");
    if (*message)
        return message;
    if (json_is_integer(member(check, "short")))
        return arena_format(&cli->arena, "%s short by %lld: %lld asked, %lld free",
                            member_text(check, "filter"), member_int(check, "short"),
                            member_int(check, "asked"), member_int(check, "free"));
    return member_text(check, "filter");
}

static void add_node(struct cli *cli, struct table *table, const json_t *node)
{
    CLEANUP(text_finish) struct text refusals = {0};
    size_t i;
    json_t *check;
    bool fits = member_true(node, "fits");
    json_array_foreach(member(node, "checks"), i, check)
    {
        if (!member_true(check, "ok"))
            text_append_format(&refusals, "%s%s", refusals.length ? "; " : "",
                               check_text(cli, check));
    }
    struct cell *row = table_row(table);
    row[0].text = member_text(node, "node");
    row[1] = (struct cell){fits ? "yes" : "no", fits ? PAINT_GREEN : PAINT_RED};
    row[2].text = arena_strdup(&cli->arena, text_string(&refusals));
}

/* All nodes, or the one of that name; returns how many. */
static size_t show_nodes(struct cli *cli, const json_t *nodes, const char *only)
{
    static const char *const heads[] = {"NODE", "FITS", "BECAUSE"};
    struct table table;
    size_t i, count;
    json_t *node;
    table_init(&table, &cli->arena, heads, 3);
    json_array_foreach(nodes, i, node)
    {
        if (!only || strcmp(member_text(node, "node"), only) == 0)
            add_node(cli, &table, node);
    }
    count = table.rows;
    if (count)
        table_print(&table, stdout, false);
    table_finish(&table);
    return count;
}

static void show_fixes(const json_t *fixes)
{
    size_t i;
    json_t *fix;
    if (json_array_size(fixes))
        puts("\nwhat would help:");
    json_array_foreach(fixes, i, fix)
    {
        fputs("  - ", stdout);
        say(member_text(fix, "message"));
    }
}

static int show_answer(struct cli *cli, const char *path, const char *doing, const char *only)
{
    enum format format;
    if (!output_format(cli, &format))
        return STATUS_FAILED;
    json_t *answer = client_ask(cli, "GET", path, NULL, "%s", doing);
    if (!answer)
        return client_status(cli);
    if (format == FORMAT_JSON || format == FORMAT_YAML) {
        format == FORMAT_JSON ? output_json(answer, false) : output_yaml(answer);
    } else {
        if (*member_text(answer, "waitsFor"))
            say(member_text(answer, "waitsFor"));
        size_t shown = show_nodes(cli, member(answer, "nodes"), only);
        if (only && !shown)
            complain(STATUS_FAILED, "\"orchctl get nodes\" lists them", "there is no node \"%s\"",
                     only);
        show_fixes(member(answer, "fixes"));
    }
    json_decref(answer);
    return STATUS_FINE;
}

/* Its present state, how its processes ended, and where it could run. */
static int why_container(struct cli *cli, const char *id)
{
    size_t i;
    json_t *end;
    const char *escaped = client_escape(cli, id);
    json_t *container = client_ask(cli, "GET", arena_format(&cli->arena, "/containers/%s", escaped),
                                   NULL, "look at container \"%s\"", id);
    if (!container)
        return client_status(cli);
    say(arena_format(&cli->arena, "%s is %s%s%s%s on node %s, restarted %lld times", id,
                     member_text(container, "state"),
                     member_true(container, "ready") ? " and ready" : "",
                     *member_text(container, "reason") ? ": " : "",
                     *member_text(container, "message") ? member_text(container, "message")
                                                        : member_text(container, "reason"),
                     member_text(container, "node"), member_int(container, "restarts")));
    if (*member_text(container, "nextStartAt"))
        say(arena_format(&cli->arena, "it is started again at %s",
                         member_text(container, "nextStartAt")));
    json_array_foreach(member(container, "ends"), i, end) show_end(cli, end);
    json_decref(container);
    putchar('\n');
    return show_answer(cli, arena_format(&cli->arena, "/containers/%s/placement", escaped),
                       "ask for its placement", NULL);
}

int run_why(struct cli *cli)
{
    const char *word = cli->words[0], *slash = strchr(word, '/');
    const char *name = slash ? slash + 1 : word;
    const struct kind *kind =
        slash ? kind_find(cli, arena_strndup(&cli->arena, word, (size_t)(slash - word)))
              : kind_named("deployments");
    struct reply reply;
    if (!kind)
        return STATUS_FAILED;
    bool container = strcmp(kind->plural, "containers") == 0;
    if (!slash) {
        const char *path = arena_format(&cli->arena, "/deployments/%s", client_escape(cli, name));
        if (!client_call(cli, "GET", path, NULL, &reply))
            return client_status(cli);
        container = reply.status == 404;
        reply_finish(&reply);
    }
    if (container) {
        const char *id = container_id(cli, name);
        return id ? why_container(cli, id) : STATUS_FAILED;
    }
    return show_answer(cli,
                       arena_format(&cli->arena, "/deployments/%s/why", client_escape(cli, name)),
                       arena_format(&cli->arena, "explain deployment \"%s\"", name), NULL);
}

int run_why_not(struct cli *cli)
{
    const char *node = option_value(cli, "node"), *name = cli->words[0];
    if (!node)
        return complain(
            STATUS_FAILED,
            arena_format(&cli->arena, "for example: orchctl why-not %s --node node-1", name),
            "why not on which node?");
    return show_answer(cli,
                       arena_format(&cli->arena, "/deployments/%s/why", client_escape(cli, name)),
                       arena_format(&cli->arena, "explain deployment \"%s\"", name), node);
}
