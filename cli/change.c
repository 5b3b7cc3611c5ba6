/* Commands that change what runs: scale, restart, delete, rollouts; and waiting. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* POST /deployments/NAME/VERB; the deployment as it is then, NULL: complained. */
static json_t *act(struct cli *cli, const char *name, const char *verb, const json_t *body)
{
    const char *path =
        arena_format(&cli->arena, "/deployments/%s/%s", client_escape(cli, name), verb);
    return client_ask(cli, "POST", path, body, "%s deployment \"%s\"", verb, name);
}

static int finish(struct cli *cli, json_t *deployment, const char *done)
{
    if (!deployment)
        return client_status(cli);
    printf("deployment/%s %s\n", member_text(deployment, "name"), done);
    fflush(stdout);
    int status = rollout_wait_one(cli, deployment);
    json_decref(deployment);
    return status;
}

/* "web" of "web", "deployment/web". */
static const char *bare_name(const char *word)
{
    const char *slash = strchr(word, '/');
    return slash ? slash + 1 : word;
}

int run_scale(struct cli *cli)
{
    char *end;
    const char *name = bare_name(cli->words[0]);
    const char *number = cli->word_count > 1 ? cli->words[1] : option_value(cli, "replicas");
    if (!number)
        return complain(STATUS_FAILED,
                        arena_format(&cli->arena, "for example: orchctl scale %s 3", name),
                        "scale to how many replicas?");
    errno = 0;
    long long replicas = strtoll(number, &end, 10);
    if (errno || end == number || *end || replicas < 0)
        return complain(STATUS_FAILED, NULL, "replicas must be a whole number, not \"%s\"", number);
    json_t *body = json_pack("{s:I}", "replicas", (json_int_t)replicas);
    json_t *deployment = act(cli, name, "scale", body);
    json_decref(body);
    return finish(cli, deployment, arena_format(&cli->arena, "scaled to %lld", replicas));
}

int run_restart(struct cli *cli)
{
    const char *word = cli->words[0];
    if (!text_starts_with(word, "container/") && !text_starts_with(word, "c/"))
        return finish(cli, act(cli, bare_name(word), "restart", NULL), "restarting");
    const char *id = container_id(cli, bare_name(word));
    if (!id)
        return STATUS_FAILED;
    json_t *container = client_ask(
        cli, "POST", arena_format(&cli->arena, "/containers/%s/restart", client_escape(cli, id)),
        NULL, "restart container \"%s\"", id);
    if (!container)
        return client_status(cli);
    json_decref(container);
    printf("container/%s restarting\n", id);
    return STATUS_FINE;
}

int run_rollout_status(struct cli *cli)
{
    const char *name = bare_name(cli->words[0]);
    const struct awaited awaited = {.name = name};
    if (!option_given(cli, "no-wait"))
        return rollout_wait(cli, &awaited, 1);
    json_t *deployment = fetch_deployment(cli, name);
    if (!deployment)
        return client_status(cli);
    printf("deployment/%s is %s: %s\n", name, member_text(deployment, "status.phase"),
           member_text(deployment, "status.message"));
    json_decref(deployment);
    return STATUS_FINE;
}

static int set_paused(struct cli *cli, const char *verb, const char *done)
{
    json_t *deployment = act(cli, bare_name(cli->words[0]), verb, NULL);
    if (!deployment)
        return client_status(cli);
    printf("deployment/%s %s\n", member_text(deployment, "name"), done);
    json_decref(deployment);
    return STATUS_FINE;
}

int run_rollout_pause(struct cli *cli)
{
    return set_paused(cli, "pause", "paused");
}

int run_rollout_resume(struct cli *cli)
{
    return set_paused(cli, "resume", "resumed");
}

int run_rollout_abort(struct cli *cli)
{
    return finish(cli, act(cli, bare_name(cli->words[0]), "abort", NULL),
                  "going back to what was complete");
}

int run_rollout_promote(struct cli *cli)
{
    return finish(cli, act(cli, bare_name(cli->words[0]), "promote", NULL), "promoted");
}

/* The paths that a revision changed: "image, env.TZ". */
static const char *changed_paths(struct cli *cli, const json_t *revision)
{
    CLEANUP(text_finish) struct text paths = {0};
    size_t i;
    json_t *change;
    json_array_foreach(member(revision, "changes"), i, change)
    {
        text_append_format(&paths, "%s%s", i ? ", " : "", member_text(change, "path"));
    }
    return arena_strdup(&cli->arena, text_string(&paths));
}

int run_rollout_history(struct cli *cli)
{
    static const char *const heads[] = {"REVISION", "AGE", "IMAGE", "DIGEST", "CAUSE", "CHANGES"};
    struct table table;
    enum format format;
    size_t i;
    json_t *revision;
    const char *name = bare_name(cli->words[0]);
    if (!output_format(cli, &format))
        return STATUS_FAILED;
    json_t *all = client_list(
        cli, arena_format(&cli->arena, "/deployments/%s/revisions", client_escape(cli, name)),
        arena_format(&cli->arena, "list the revisions of \"%s\"", name));
    if (!all)
        return client_status(cli);
    if (format == FORMAT_JSON || format == FORMAT_YAML) {
        format == FORMAT_JSON ? output_json(all, false) : output_yaml(all);
        json_decref(all);
        return STATUS_FINE;
    }
    table_init(&table, &cli->arena, heads, 6);
    json_array_foreach(all, i, revision)
    {
        struct cell *row = table_row(&table);
        bool in_force = member_true(revision, "inForce");
        row[0] = (struct cell){arena_format(&cli->arena, "%lld%s", member_int(revision, "number"),
                                            in_force ? " *" : ""),
                               in_force ? PAINT_GREEN : PAINT_NONE};
        row[1].text = age_of(&cli->arena, member_text(revision, "createdAt"));
        row[2].text = member_text(revision, "image");
        row[3].text = arena_format(&cli->arena, "%.19s", member_text(revision, "imageDigest"));
        row[4].text = member_text(revision, "cause");
        row[5].text = changed_paths(cli, revision);
    }
    table_print(&table, stdout, false);
    table_finish(&table);
    json_decref(all);
    return STATUS_FINE;
}

int run_rollback(struct cli *cli)
{
    long long revision;
    json_t *body = json_object();
    if (!option_int(cli, "to", 1, 1LL << 53, 0, &revision)) {
        json_decref(body);
        return STATUS_FAILED;
    }
    if (revision)
        json_object_set_new(body, "revision", json_integer(revision));
    json_t *deployment = act(cli, bare_name(cli->words[0]), "rollback", body);
    json_decref(body);
    return finish(cli, deployment,
                  revision ? arena_format(&cli->arena, "going back to revision %lld", revision)
                           : "going back to the revision before");
}

/* -- delete -- */

struct removal {
    const struct kind *kind;
    const char *name;
    bool gone;
};

static enum watch_verdict removed(void *user, const char *kind, const char *type,
                                  const json_t *object)
{
    struct removal *removal = user;
    if (strcmp(kind, removal->kind->plural) == 0 && strcmp(type, "removed") == 0 &&
        strcmp(member_text(object, removal->kind->key), removal->name) == 0)
        removal->gone = true;
    return removal->gone ? WATCH_DONE : WATCH_GO_ON;
}

static bool is_gone(struct cli *cli, const char *path)
{
    struct reply reply;
    bool gone = client_call(cli, "GET", path, NULL, &reply) && reply.status == 404;
    reply_finish(&reply);
    return gone;
}

/* A deployment answers until its last container is gone. */
static int wait_gone(struct cli *cli, const struct kind *kind, const char *name, const char *path,
                     long long timeout)
{
    struct removal removal = {.kind = kind, .name = name};
    const struct watch watch = {.query = arena_format(&cli->arena, "kinds=%s", kind->plural),
                                .doing = "wait for the end of the containers",
                                .change = removed,
                                .user = &removal,
                                .deadline_ms = timeout ? now_ms() + timeout : 0};
    if (is_gone(cli, path))
        return STATUS_FINE;
    long long started = now_ms();
    int status = STATUS_FINE;
    /* It may have gone between the look and the watch, which then never tells. */
    while (!removal.gone && status == STATUS_FINE) {
        struct watch slice = watch;
        slice.deadline_ms = now_ms() + 1000;
        status = watch_run(cli, &slice);
        if (status == STATUS_TIMEOUT && !(timeout && now_ms() - started >= timeout))
            status = STATUS_FINE;
        if (status == STATUS_FINE && !removal.gone)
            removal.gone = is_gone(cli, path);
    }
    if (status == STATUS_TIMEOUT)
        complain(status, NULL, "%s/%s still drains; it goes on without us", kind->singular, name);
    return status;
}

static bool confirmed(struct cli *cli, const struct kind *kind, const char *const *names,
                      size_t count)
{
    if (option_given(cli, "yes") || !is_terminal(stdin) || !is_terminal(stderr))
        return true;
    fprintf(stderr, "delete %s ", count == 1 ? kind->singular : kind->plural);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s\"%s\"", i ? ", " : "", names[i]);
    fputs("? [y/N] ", stderr);
    int answer = getchar();
    return answer == 'y' || answer == 'Y' ||
           complain(0, NULL, "nothing was deleted; --yes does not ask");
}

static int delete_one(struct cli *cli, const struct kind *kind, const char *name, long long timeout)
{
    bool container = strcmp(kind->plural, "containers") == 0;
    if (container && !(name = container_id(cli, name)))
        return STATUS_FAILED;
    const char *path = arena_format(&cli->arena, "%s/%s", kind->path, client_escape(cli, name));
    json_t *reply = client_ask(cli, "DELETE", path, NULL, "delete %s \"%s\"", kind->singular, name);
    if (!reply)
        return client_status(cli);
    bool drains = !json_is_null(reply);
    json_decref(reply);
    int status = STATUS_FINE;
    if (drains && !option_given(cli, "detach"))
        status = wait_gone(cli, kind, name, path, timeout);
    if (status == STATUS_FINE)
        printf("%s/%s %s\n", kind->singular, name,
               drains && option_given(cli, "detach") ? "is being deleted" : "deleted");
    return status;
}

int run_delete(struct cli *cli)
{
    const char *first = cli->words[0], *slash = strchr(first, '/');
    long long timeout;
    const char *word = slash ? arena_strndup(&cli->arena, first, (size_t)(slash - first)) : first;
    const struct kind *kind = kind_find(cli, word);
    if (!kind || !option_duration_ms(cli, "timeout", 0, &timeout))
        return STATUS_FAILED;
    if (!kind->deletable)
        return complain(STATUS_FAILED, NULL, "%s cannot be deleted", kind->plural);
    if (slash)
        cli->words[0] = slash + 1;
    const char *const *names = slash ? cli->words : cli->words + 1;
    size_t count = slash ? cli->word_count : cli->word_count - 1;
    if (!count)
        return complain(STATUS_FAILED, NULL, "delete which %s?", kind->singular);
    if (!confirmed(cli, kind, names, count))
        return STATUS_FAILED;
    int status = STATUS_FINE;
    for (size_t i = 0; i < count; i++) {
        int one = delete_one(cli, kind, names[i], timeout);
        status = one ? one : status;
    }
    return status;
}

/* -- wait -- */

struct condition {
    const struct kind *kind;
    const char *name, *word;
    bool met;
};

/* "ready", "complete", or any phase or state. */
static bool is_met(const struct condition *condition, const json_t *object)
{
    if (strcmp(condition->word, "ready") == 0 &&
        strcmp(condition->kind->plural, "deployments") == 0)
        return member_int(object, "status.ready") >= member_int(object, "status.desired");
    if (strcmp(condition->word, "ready") == 0 && strcmp(condition->kind->plural, "containers") == 0)
        return member_true(object, "ready");
    if (strcmp(condition->kind->plural, "services") == 0)
        return strcmp(condition->word, "ready") == 0 && member_int(object, "status.ready") > 0;
    const char *phase = member_text(object, "status.phase");
    return strcmp(*phase ? phase : member_text(object, "state"), condition->word) == 0;
}

static enum watch_verdict look(void *user, const char *kind, const char *type, const json_t *object)
{
    struct condition *condition = user;
    bool wants_end = strcmp(condition->word, "deleted") == 0;
    if (strcmp(kind, "synced") == 0)
        return condition->met ? WATCH_DONE : WATCH_GO_ON;
    if (strcmp(kind, condition->kind->plural) != 0 ||
        strcmp(member_text(object, condition->kind->key), condition->name) != 0)
        return WATCH_GO_ON;
    bool removed_now = strcmp(type, "removed") == 0;
    condition->met = wants_end ? removed_now : !removed_now && is_met(condition, object);
    return condition->met ? WATCH_DONE : WATCH_GO_ON;
}

int run_wait(struct cli *cli)
{
    const char *slash = strchr(cli->words[0], '/');
    const char *word =
        slash ? arena_strndup(&cli->arena, cli->words[0], (size_t)(slash - cli->words[0]))
              : "deployment";
    long long timeout;
    struct condition condition = {.kind = kind_find(cli, word),
                                  .name = bare_name(cli->words[0]),
                                  .word = option_value(cli, "for")};
    if (!condition.kind || !option_duration_ms(cli, "timeout", 0, &timeout))
        return STATUS_FAILED;
    condition.word = condition.word ? condition.word : "ready";
    const char *path = arena_format(&cli->arena, "%s/%s", condition.kind->path,
                                    client_escape(cli, condition.name));
    bool wants_end = strcmp(condition.word, "deleted") == 0;
    int status =
        wants_end
            ? wait_gone(cli, condition.kind, condition.name, path, timeout)
            : watch_run(cli, &(struct watch){.query = arena_format(&cli->arena, "kinds=%s",
                                                                   condition.kind->plural),
                                             .doing = "wait",
                                             .change = look,
                                             .user = &condition,
                                             .deadline_ms = timeout ? now_ms() + timeout : 0});
    if (status == STATUS_TIMEOUT && !wants_end)
        complain(status, arena_format(&cli->arena, "orchctl describe %s", cli->words[0]),
                 "%s/%s is not %s within the time", condition.kind->singular, condition.name,
                 condition.word);
    if (status == STATUS_FINE)
        printf("%s/%s is %s\n", condition.kind->singular, condition.name, condition.word);
    return status;
}
