/* logs and events. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

enum { SOURCES = 64, STEP_MS = 1000 };

struct sources {
    char ids[SOURCES][80];
    size_t count;
};
struct tail {
    struct cli *cli;
    bool merged; /* JSON lines of several containers */
    bool times, bare;
    struct sources sources;
    struct text line;
};

/* Its colour stays the container's; after so many they are shared. */
static size_t source_number(struct sources *sources, const char *id)
{
    size_t i = 0;
    while (i < sources->count && strcmp(sources->ids[i], id) != 0)
        i++;
    if (i == sources->count && i < SOURCES) {
        snprintf(sources->ids[i], sizeof sources->ids[i], "%s", id);
        sources->count++;
    }
    return i;
}

static void print_merged(struct tail *tail, const char *text)
{
    json_t *entry = json_loads(text, 0, NULL);
    const char *id = member_text(entry, "container"), *line = member_text(entry, "line");
    const char *error = member_text(entry, "error"), *at = member_text(entry, "at");
    if (*error) {
        remark("%s%s%s", id, *id ? ": " : "", error);
    } else if (entry) {
        if (!tail->bare) {
            printf("%s", paint_source(stdout, source_number(&tail->sources, id)));
            print_foreign(stdout, id, strlen(id), false);
            printf("%s ", paint_off(stdout));
        }
        if (tail->times) {
            print_foreign(stdout, at, strlen(at), false);
            putchar(' ');
        }
        print_foreign(stdout, line, strlen(line), false);
        putchar('\n');
    }
    json_decref(entry);
}

static void take_merged(struct tail *tail, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\n') {
            text_append_char(&tail->line, bytes[i]);
            continue;
        }
        if (tail->line.length)
            print_merged(tail, text_string(&tail->line));
        text_clear(&tail->line);
    }
}

static void take(void *user, const char *bytes, size_t length)
{
    struct tail *tail = user;
    if (tail->merged)
        take_merged(tail, bytes, length);
    else
        print_foreign(stdout, bytes, length, true);
    fflush(stdout);
}

static int follow(struct cli *cli, const char *path, struct tail *tail, const char *what)
{
    struct stream *stream = stream_open(cli, path, NULL, take, tail);
    enum stream_state state = STREAM_OPEN;
    int status = STATUS_FINE;
    if (!stream)
        return client_status(cli);
    while (state == STREAM_OPEN && !ferror(stdout))
        state = stream_step(stream, STEP_MS);
    int answered = stream_status(stream);
    if (state == STREAM_BROKEN && answered == 200) {
        status = complain(STATUS_FAILED, NULL, "the connection to %s was lost", client_url(cli));
    } else if (answered != 200 && answered) {
        struct reply reply;
        stream_reply(stream, &reply);
        status = client_complain(cli, &reply, path, what);
        reply_finish(&reply);
    } else if (!answered) {
        stream_complain(stream);
        status = client_status(cli);
    }
    stream_close(stream);
    text_finish(&tail->line);
    return status;
}

static const char *query_of(struct cli *cli, bool merged)
{
    CLEANUP(text_finish) struct text query = {0};
    const char *since = option_value(cli, "since");
    long long tail;
    if (!option_int(cli, "tail", 0, 10000, 100, &tail))
        return NULL;
    text_append_format(&query, "?tail=%lld", tail);
    if (since)
        text_append_format(&query, "&since=%s", client_escape(cli, since));
    if (option_given(cli, "follow"))
        text_append_string(&query, "&follow=true");
    if (option_given(cli, "previous"))
        text_append_string(&query, "&previous=true");
    if (option_given(cli, "timestamps"))
        text_append_string(&query, "&timestamps=true");
    if (merged)
        text_append_string(&query, "&format=json");
    return arena_strdup(&cli->arena, text_string(&query));
}

/* Is there a deployment of that name? Else it is a container's id. */
static bool is_deployment(struct cli *cli, const char *name, bool *known)
{
    struct reply reply;
    const char *path = arena_format(&cli->arena, "/deployments/%s", client_escape(cli, name));
    *known = client_call(cli, "GET", path, NULL, &reply);
    bool found = *known && reply.status != 404; /* other refusals are told by what follows */
    reply_finish(&reply);
    return found;
}

int run_logs(struct cli *cli)
{
    const char *word = cli->words[0], *slash = strchr(word, '/');
    const struct kind *kind =
        slash ? kind_named(arena_strndup(&cli->arena, word, (size_t)(slash - word))) : NULL;
    const char *name = slash ? slash + 1 : word;
    bool known = true, merged;
    if (kind)
        merged = strcmp(kind->plural, "deployments") == 0;
    else
        merged = is_deployment(cli, name, &known);
    if (!known)
        return client_status(cli);
    if (!merged && !(name = container_id(cli, name)))
        return STATUS_FAILED;
    const char *query = query_of(cli, merged);
    if (!query)
        return STATUS_FAILED;
    struct tail tail = {.cli = cli,
                        .merged = merged,
                        .times = option_given(cli, "timestamps"),
                        .bare = option_given(cli, "no-prefix")};
    const char *path =
        arena_format(&cli->arena, "/%s/%s/logs%s", merged ? "deployments" : "containers",
                     client_escape(cli, name), query);
    return follow(cli, path, &tail, arena_format(&cli->arena, "read the logs of \"%s\"", name));
}
