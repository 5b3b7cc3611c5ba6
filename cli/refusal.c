/* A reply that is a refusal, told so that it can be acted on. */
#include "client_impl.h"

#include "output.h"

#include <stdio.h>
#include <string.h>

static int status_of(const struct reply *reply)
{
    if (reply->status == 409 || reply->status == 412)
        return STATUS_CONFLICT;
    return reply->status == 504 ? STATUS_TIMEOUT : STATUS_FAILED;
}

/* "/deployments/web/why?x" fits "/api/v1/deployments/{name}/why". */
static bool path_fits(const char *pattern, const char *path)
{
    if (!text_starts_with(pattern, "/api/v1"))
        return false;
    for (pattern += strlen("/api/v1"); *pattern && *path && *path != '?'; pattern++) {
        if (*pattern == '{') {
            path += strcspn(path, "/?");
            pattern += strcspn(pattern, "}");
        } else if (*pattern != *path++) {
            return false;
        }
    }
    return !*pattern && (!*path || *path == '?');
}

/* Does the server know that path at all? Its own description tells; true when it doesn't say. */
static bool server_knows(struct cli *cli, const char *path)
{
    struct reply reply;
    bool known = false;
    const char *pattern;
    json_t *unused;
    if (!client_call(cli, "GET", "//openapi.json", NULL, &reply))
        return true;
    json_t *paths = json_object_get(reply.body, "paths");
    json_object_foreach(paths, pattern, unused) known = known || path_fits(pattern, path);
    known = known || !paths;
    reply_finish(&reply);
    return known;
}

static const char *server_version(struct cli *cli)
{
    struct reply reply;
    const char *version = "of unknown version";
    if (client_call(cli, "GET", "/cluster", NULL, &reply) && *member_text(reply.body, "version"))
        version = arena_strdup(&cli->arena, member_text(reply.body, "version"));
    reply_finish(&reply);
    return version;
}

static int complain_lacking(struct cli *cli, const char *path, const char *doing)
{
    return complain(STATUS_FAILED, "this orchctl is newer than the server: update the server",
                    "cannot %s: the server (orchestrator %s at %s) has no /api/v1%.*s", doing,
                    server_version(cli), client_url(cli), (int)strcspn(path, "?"), path);
}

static const char *next_step(struct cli *cli, const struct reply *reply)
{
    const char *code = member_text(reply->body, "code");
    switch (reply->status) {
    case 401:
        return cli->client->address.key
                   ? "the key is wrong for this server: see \"orchctl context\", or ORCH_API_KEY"
                   : "give a key: ORCH_API_KEY, --key-file FILE, or \"orchctl context set\"";
    case 403:
        return "\"orchctl whoami\" tells what your key may do";
    case 404:
        return "\"orchctl get\" lists what there is";
    case 409:
        return strcmp(code, "ALREADY_EXISTS") == 0
                   ? "choose another name, or change it with \"orchctl apply\""
                   : "look at it with \"orchctl describe\", then try again";
    case 412:
        return "somebody else changed it: look again, then repeat";
    case 429:
    case 503:
        return "try again in a moment";
    default:
        return NULL;
    }
}

int client_complain(struct cli *cli, const struct reply *reply, const char *path, const char *doing)
{
    const char *error = member_text(reply->body, "error");
    const json_t *details = json_object_get(reply->body, "details");
    bool about_id =
        strstr(error, "there is no ") != NULL && strstr(error, "there is nothing") == NULL;
    if (reply->status == 404 && !about_id && !server_knows(cli, path))
        return complain_lacking(cli, path, doing);
    size_t i;
    json_t *detail;
    bool several = json_array_size(details) > 1;
    complain(STATUS_FAILED, several ? NULL : next_step(cli, reply), "cannot %s: %s%s", doing,
             *error ? error
             : several
                 ? "several things are wrong"
                 : arena_format(&cli->arena, "HTTP status %d, no reason given", reply->status),
             text_equal(member_text(reply->body, "outcome"), "unknown")
                 ? " (it may or may not have happened)"
                 : "");
    if (several)
        json_array_foreach(details, i, detail)
            remark("  %s%s%s", member_text(detail, "field"),
                   *member_text(detail, "field") ? ": " : "", member_text(detail, "message"));
    return status_of(reply);
}
