/* apply, diff, convert, run: from manifests to the server. */
#include "commands.h"

#include "client.h"
#include "difference.h"
#include "kinds.h"
#include "manifest.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char app_label[] = "orchctl/app";

static const char *path_of(struct cli *cli, const struct manifest *manifest)
{
    return arena_format(&cli->arena, "%s/%s", manifest->kind->path,
                        client_escape(cli, manifest->name));
}

static bool is_deployment(const struct manifest *manifest)
{
    return strcmp(manifest->kind->plural, "deployments") == 0;
}

/* As it is now; *present NULL where there is none. False when it has complained. */
static bool fetch(struct cli *cli, const struct manifest *manifest, json_t **present)
{
    struct reply reply;
    const char *path = path_of(cli, manifest);
    *present = NULL;
    if (!client_call(cli, "GET", path, NULL, &reply))
        return false;
    bool fine = reply.status == 200 || reply.status == 404;
    if (reply.status == 200)
        *present = json_incref(reply.body);
    else if (!fine)
        client_complain(cli, &reply, path,
                        arena_format(&cli->arena, "look at %s \"%s\"", manifest->kind->singular,
                                     manifest->name));
    reply_finish(&reply);
    return fine;
}

/* -- apply -- */

struct applied {
    struct awaited *awaited;
    size_t count;
};

/* PUT; what it was before tells whether that changed anything. */
static int put_one(struct cli *cli, const struct manifest *manifest, struct applied *applied)
{
    json_t *before;
    if (!fetch(cli, manifest, &before))
        return STATUS_FAILED;
    json_t *after = client_ask(cli, "PUT", path_of(cli, manifest), manifest->body,
                               "apply %s \"%s\"", manifest->kind->singular, manifest->name);
    if (!after) {
        json_decref(before);
        return client_status(cli);
    }
    bool same = before && member_int(before, "version") == member_int(after, "version") &&
                text_equal(member_text(before, "uid"), member_text(after, "uid"));
    printf("%s/%s %s\n", manifest->kind->singular, manifest->name,
           same     ? "unchanged"
           : before ? "changed"
                    : "created");
    fflush(stdout);
    if (is_deployment(manifest))
        applied->awaited[applied->count++] =
            (struct awaited){.name = manifest->name, .version = member_int(after, "version")};
    json_decref(before);
    json_decref(after);
    return STATUS_FINE;
}

/* Every deployment gets the app's label; one of another app is not taken over. */
static bool label_all(struct manifests *manifests, const char *app)
{
    for (size_t i = 0; i < manifests->count; i++) {
        struct manifest *manifest = &manifests->items[i];
        json_t *labels = json_object_get(manifest->body, "labels");
        if (!is_deployment(manifest))
            continue;
        if (!json_is_object(labels))
            json_object_set_new(manifest->body, "labels", labels = json_object());
        const char *given = json_string_value(json_object_get(labels, app_label));
        if (given && strcmp(given, app) != 0)
            return complain(0, NULL, "deployment \"%s\" has the label %s=%s, not %s",
                            manifest->name, app_label, given, app);
        json_object_set_new(labels, app_label, json_string(app));
    }
    return true;
}

static bool is_declared(const struct manifests *manifests, const char *plural, const char *name)
{
    for (size_t i = 0; i < manifests->count; i++)
        if (strcmp(manifests->items[i].kind->plural, plural) == 0 &&
            strcmp(manifests->items[i].name, name) == 0)
            return true;
    return false;
}

static int remove_one(struct cli *cli, const char *plural, const char *singular, const char *name)
{
    json_t *gone = client_ask(cli, "DELETE",
                              arena_format(&cli->arena, "/%s/%s", plural, client_escape(cli, name)),
                              NULL, "delete %s \"%s\"", singular, name);
    if (!gone)
        return client_status(cli);
    printf("%s/%s deleted\n", singular, name);
    json_decref(gone);
    return STATUS_FINE;
}

/* Services of the app's deployments, then those deployments, that are not declared any more. */
static int prune_services(struct cli *cli, const struct manifests *manifests,
                          const json_t *deployments)
{
    size_t i, j;
    json_t *service, *deployment;
    int status = STATUS_FINE;
    json_t *services = client_list(cli, "/services", "list services");
    json_array_foreach(services, i, service)
    {
        const char *name = member_text(service, "name"), *of = member_text(service, "deployment");
        json_array_foreach(deployments, j, deployment)
        {
            if (strcmp(member_text(deployment, "name"), of) == 0 && status == STATUS_FINE &&
                !is_declared(manifests, "services", name))
                status = remove_one(cli, "services", "service", name);
        }
    }
    if (!services)
        status = client_status(cli);
    json_decref(services);
    return status;
}

static int prune(struct cli *cli, const struct manifests *manifests, const char *app)
{
    size_t i;
    json_t *deployment;
    json_t *deployments = client_list(
        cli,
        arena_format(&cli->arena, "/deployments?selector=%s",
                     client_escape(cli, arena_format(&cli->arena, "%s=%s", app_label, app))),
        "list the app's deployments");
    if (!deployments)
        return client_status(cli);
    int status = prune_services(cli, manifests, deployments);
    json_array_foreach(deployments, i, deployment)
    {
        const char *name = member_text(deployment, "name");
        if (status == STATUS_FINE && !is_declared(manifests, "deployments", name) &&
            strcmp(member_text(deployment, "status.phase"), "deleting") != 0)
            status = remove_one(cli, "deployments", "deployment", name);
    }
    json_decref(deployments);
    return status;
}

static int apply_all(struct cli *cli, struct manifests *manifests)
{
    const char *app = option_value(cli, "prune");
    struct applied applied = {
        .awaited = arena_alloc(&cli->arena, (manifests->count + 1) * sizeof *applied.awaited)};
    int status = STATUS_FINE;
    if (app && !label_all(manifests, app))
        return STATUS_FAILED;
    for (size_t i = 0; i < manifests->count && status == STATUS_FINE; i++)
        status = put_one(cli, &manifests->items[i], &applied);
    if (app && status == STATUS_FINE)
        status = prune(cli, manifests, app);
    if (status == STATUS_FINE && !option_given(cli, "detach"))
        status = rollout_wait(cli, applied.awaited, applied.count);
    return status;
}

/* The server's own judgement, without a change. */
static int check_at_server(struct cli *cli, const struct manifests *manifests)
{
    int status = STATUS_FINE;
    for (size_t i = 0; i < manifests->count; i++) {
        const struct manifest *manifest = &manifests->items[i];
        json_t *answer = client_ask(
            cli, "PUT", arena_format(&cli->arena, "%s?dryRun=true", path_of(cli, manifest)),
            manifest->body, "check %s \"%s\"", manifest->kind->singular, manifest->name);
        if (answer)
            printf("%s/%s is fine\n", manifest->kind->singular, manifest->name);
        else
            status = client_status(cli);
        json_decref(answer);
    }
    return status;
}

static int dry_run(struct cli *cli, const struct manifests *manifests, const char *where)
{
    if (strcmp(where, "server") == 0)
        return check_at_server(cli, manifests);
    if (strcmp(where, "client") != 0)
        return complain(STATUS_FAILED, NULL, "--dry-run must be client or server, not \"%s\"",
                        where);
    for (size_t i = 0; i < manifests->count; i++)
        printf("%s/%s is fine\n", manifests->items[i].kind->singular, manifests->items[i].name);
    return STATUS_FINE;
}

static int apply_plan(struct cli *cli, const char *token)
{
    const char *path = arena_format(&cli->arena, "/plan/%s/apply", client_escape(cli, token));
    json_t *answer = client_ask(cli, "POST", path, NULL, "apply the plan");
    if (!answer)
        return client_status(cli);
    json_decref(answer);
    puts("plan applied");
    return STATUS_FINE;
}

int run_apply(struct cli *cli)
{
    struct manifests manifests;
    const char *where = option_value(cli, "dry-run"), *token = option_value(cli, "plan");
    long long timeout;
    if (!option_duration_ms(cli, "timeout", 0, &timeout))
        return STATUS_FAILED;
    if (token)
        return apply_plan(cli, token);
    if (!manifests_read(cli, &manifests))
        return STATUS_FAILED;
    int status = where ? dry_run(cli, &manifests, where) : apply_all(cli, &manifests);
    manifests_finish(&manifests);
    return status;
}

/* -- diff -- */

int run_diff(struct cli *cli)
{
    struct manifests manifests;
    int status = STATUS_FINE;
    if (!manifests_read(cli, &manifests))
        return STATUS_FAILED;
    for (size_t i = 0; i < manifests.count && status != STATUS_FAILED; i++) {
        const struct manifest *manifest = &manifests.items[i];
        json_t *present;
        if (!fetch(cli, manifest, &present))
            status = STATUS_FAILED;
        else if (difference_print(cli, manifest, present))
            status = STATUS_CHANGES;
        json_decref(present);
    }
    manifests_finish(&manifests);
    return status;
}

/* -- convert -- */

int run_convert(struct cli *cli)
{
    struct manifests manifests;
    enum format format;
    if (!output_format(cli, &format) || !manifests_read(cli, &manifests))
        return STATUS_FAILED;
    for (size_t i = 0; i < manifests.count; i++) {
        json_t *shown = manifest_of(manifests.items[i].kind, manifests.items[i].body);
        if (i && format != FORMAT_JSON)
            puts("---");
        format == FORMAT_JSON ? output_json(shown, false) : output_yaml(shown);
        json_decref(shown);
    }
    manifests_finish(&manifests);
    return STATUS_FINE;
}
