/* Nodes: cordon, uncordon, drain, label, rm. */
#include "commands.h"

#include "client.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>

static const char *path_of(struct cli *cli, const char *name, const char *verb)
{
    return arena_format(&cli->arena, "/nodes/%s%s%s", client_escape(cli, name), *verb ? "/" : "",
                        verb);
}

static int act_on_all(struct cli *cli, const char *verb, const char *done)
{
    int status = STATUS_FINE;
    for (size_t i = 0; i < cli->word_count; i++) {
        const char *name = cli->words[i];
        json_t *node =
            client_ask(cli, "POST", path_of(cli, name, verb), NULL, "%s node \"%s\"", verb, name);
        if (node)
            printf("node/%s %s\n", name, done);
        else
            status = client_status(cli);
        json_decref(node);
    }
    return status;
}

int run_node_cordon(struct cli *cli)
{
    return act_on_all(cli, "cordon", "cordoned");
}

int run_node_uncordon(struct cli *cli)
{
    return act_on_all(cli, "uncordon", "uncordoned");
}

/* -- drain -- */

struct draining {
    struct cli *cli;
    const char *name;
    long long left; /* containers; -1: not known yet */
};

static enum watch_verdict see_node(void *user, const char *kind, const char *type,
                                   const json_t *object)
{
    struct draining *draining = user;
    if (strcmp(kind, "nodes") != 0 || strcmp(member_text(object, "name"), draining->name) != 0)
        return WATCH_GO_ON;
    long long left = strcmp(type, "removed") == 0 ? 0 : member_int(object, "containers");
    if (left != draining->left && left)
        remark("node/%s: %lld containers left", draining->name, left);
    draining->left = left;
    return left ? WATCH_GO_ON : WATCH_DONE;
}

static int wait_empty(struct cli *cli, const char *name, long long timeout)
{
    struct draining draining = {.cli = cli, .name = name, .left = -1};
    int status = watch_run(cli, &(struct watch){.query = "kinds=nodes",
                                                .doing = "follow the drain",
                                                .change = see_node,
                                                .user = &draining,
                                                .deadline_ms = timeout ? now_ms() + timeout : 0});
    if (status == STATUS_TIMEOUT)
        complain(status, arena_format(&cli->arena, "orchctl get containers --node %s", name),
                 "node/%s still has %lld containers; the drain goes on without us", name,
                 draining.left);
    if (status == STATUS_FINE)
        printf("node/%s drained\n", name);
    return status;
}

int run_node_drain(struct cli *cli)
{
    const char *deadline = option_value(cli, "deadline"), *name = cli->words[0];
    long long timeout;
    if (!option_duration_ms(cli, "timeout", 0, &timeout))
        return STATUS_FAILED;
    json_t *body = deadline ? json_pack("{s:s}", "deadline", deadline) : NULL;
    json_t *node =
        client_ask(cli, "POST", path_of(cli, name, "drain"), body, "drain node \"%s\"", name);
    json_decref(body);
    if (!node)
        return client_status(cli);
    json_decref(node);
    if (option_given(cli, "detach")) {
        printf("node/%s draining\n", name);
        return STATUS_FINE;
    }
    return wait_empty(cli, name, timeout);
}

/* -- label -- */

/* "zone=a" sets, "zone-" removes. */
static bool add_label(json_t *labels, const char *word)
{
    char key[320];
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word) - 1;
    if (!*word || !length || length >= sizeof key || (!equals && word[length] != '-'))
        return complain(0, "for example: zone=a, or zone- to remove it", "\"%s\" is no label",
                        word);
    memcpy(key, word, length);
    key[length] = 0;
    json_object_set_new(labels, key, equals ? json_string(equals + 1) : json_null());
    return true;
}

int run_node_label(struct cli *cli)
{
    const char *name = cli->words[0];
    json_t *labels = json_object();
    for (size_t i = 1; i < cli->word_count; i++)
        if (!add_label(labels, cli->words[i])) {
            json_decref(labels);
            return STATUS_FAILED;
        }
    json_t *body = json_pack("{s:o}", "labels", labels);
    json_t *node =
        client_ask(cli, "PATCH", path_of(cli, name, ""), body, "label node \"%s\"", name);
    json_decref(body);
    if (!node)
        return client_status(cli);
    printf("node/%s labels: %s\n", name, pairs_of(&cli->arena, member(node, "labels")));
    json_decref(node);
    return STATUS_FINE;
}

int run_node_rm(struct cli *cli)
{
    int status = STATUS_FINE;
    for (size_t i = 0; i < cli->word_count; i++) {
        const char *name = cli->words[i];
        json_t *reply =
            client_ask(cli, "DELETE", path_of(cli, name, ""), NULL, "remove node \"%s\"", name);
        if (reply)
            printf("node/%s removed\n", name);
        else
            status = client_status(cli);
        json_decref(reply);
    }
    return status;
}
