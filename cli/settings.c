/* context ...: which servers this user knows. */
#include "commands.h"

#include "client.h"
#include "contexts.h"
#include "table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const json_t *find(const json_t *contexts, const char *name)
{
    return json_object_get(json_object_get(contexts, "contexts"), name);
}

static int refuse_unknown(const char *name)
{
    return complain(STATUS_FAILED, "orchctl context ls lists them", "there is no context \"%s\"",
                    name);
}

int run_context_ls(struct cli *cli)
{
    static const char *const heads[] = {"CURRENT", "NAME", "SERVER", "KEY", "CA FILE"};
    struct table table;
    const char *name;
    json_t *context, *contexts = contexts_read(cli);
    if (!contexts)
        return STATUS_FAILED;
    const char *current = member_text(contexts, "current");
    table_init(&table, &cli->arena, heads, 5);
    json_object_foreach(json_object_get(contexts, "contexts"), name, context)
    {
        struct cell *row = table_row(&table);
        row[0].text = strcmp(name, current) == 0 ? "*" : " ";
        row[1].text = name;
        row[2].text = member_text(context, "server");
        row[3].text = *member_text(context, "key") ? "set" : "none";
        row[4].text = member_text(context, "caFile");
    }
    if (table.rows)
        table_print(&table, stdout, false);
    else
        remark("no contexts; \"orchctl context set NAME --server URL\" makes one");
    table_finish(&table);
    json_decref(contexts);
    return STATUS_FINE;
}

int run_context_show(struct cli *cli)
{
    const struct server_address *address = client_address(cli);
    if (!address)
        return STATUS_FAILED;
    printf("server: %s\nfrom:   %s\nkey:    %s\n", client_url(cli), address->origin,
           address->key ? "set" : "none");
    return STATUS_FINE;
}

/* From --key-file, standard input ("-") or --key. NULL: none was given. */
static bool read_key(struct cli *cli, const char **key)
{
    char text[1024];
    const char *file = option_value(cli, "key-file");
    *key = option_value(cli, "key");
    if (!file)
        return true;
    FILE *stream = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    size_t length = stream ? fread(text, 1, sizeof text - 1, stream) : 0;
    if (stream && stream != stdin)
        fclose(stream);
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (!length)
        return complain(0, NULL, "cannot read a key from %s", file);
    *key = arena_strndup(&cli->arena, text, length);
    return true;
}

static void put(json_t *context, const char *name, const char *value)
{
    if (value)
        json_object_set_new(context, name, json_string(value));
}

int run_context_set(struct cli *cli)
{
    const char *name = cli->words[0], *key, *ca_file = option_value(cli, "ca-file");
    char path[4096];
    json_t *contexts = contexts_read(cli);
    if (!contexts || !read_key(cli, &key)) {
        json_decref(contexts);
        return STATUS_FAILED;
    }
    if (ca_file && realpath(ca_file, path))
        ca_file = path;
    json_t *all = json_object_get(contexts, "contexts");
    if (!all)
        json_object_set_new(contexts, "contexts", all = json_object());
    json_t *context = json_object_get(all, name);
    if (!context)
        json_object_set_new(all, name, context = json_object());
    put(context, "server", option_value(cli, "server"));
    put(context, "key", key);
    put(context, "caFile", ca_file);
    if (!json_object_get(contexts, "current"))
        put(contexts, "current", name);
    bool fine =
        *member_text(context, "server") || complain(0, NULL, "a context needs --server URL");
    fine = fine && contexts_write(cli, contexts);
    if (fine)
        printf("context \"%s\" set%s\n", name,
               strcmp(member_text(contexts, "current"), name) == 0 ? ", and current" : "");
    json_decref(contexts);
    return fine ? STATUS_FINE : STATUS_FAILED;
}

int run_context_use(struct cli *cli)
{
    json_t *contexts = contexts_read(cli);
    if (!contexts)
        return STATUS_FAILED;
    int status = STATUS_FAILED;
    if (!find(contexts, cli->words[0])) {
        refuse_unknown(cli->words[0]);
    } else {
        put(contexts, "current", cli->words[0]);
        if (contexts_write(cli, contexts)) {
            printf("context \"%s\" is current\n", cli->words[0]);
            status = STATUS_FINE;
        }
    }
    json_decref(contexts);
    return status;
}

int run_context_rm(struct cli *cli)
{
    json_t *contexts = contexts_read(cli);
    if (!contexts)
        return STATUS_FAILED;
    int status = STATUS_FAILED;
    if (!find(contexts, cli->words[0])) {
        refuse_unknown(cli->words[0]);
    } else {
        json_object_del(json_object_get(contexts, "contexts"), cli->words[0]);
        if (strcmp(member_text(contexts, "current"), cli->words[0]) == 0)
            json_object_del(contexts, "current");
        if (contexts_write(cli, contexts)) {
            printf("context \"%s\" removed\n", cli->words[0]);
            status = STATUS_FINE;
        }
    }
    json_decref(contexts);
    return status;
}

/* orchestrator-plugin-check is installed beside this program. */
int run_plugin_check(struct cli *cli)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length <= 0)
        return complain(STATUS_FAILED, NULL, "cannot tell where orchctl lies");
    strcpy(path + length, "orchestrator-plugin-check");
    char **arguments = arena_alloc(&cli->arena, (cli->word_count + 2) * sizeof *arguments);
    arguments[0] = path;
    for (size_t i = 0; i < cli->word_count; i++)
        arguments[i + 1] = arena_strdup(&cli->arena, cli->words[i]);
    execv(path, arguments);
    return complain(STATUS_FAILED, "install the SDK's tools", "cannot run %s", path);
}
