/* Waiting for deployments to become what was declared, with progress as it goes. */
#include "commands.h"

#include "client.h"
#include "kinds.h"
#include "terminal.h"
#include "watch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 20, FAILED_SHOWN = 3 };

struct followed {
    const char *name;
    long long version;
    json_t *object; /* owned: as it was last seen */
    char told[256]; /* what was last said of it, without a terminal */
    int verdict;    /* enum status; -1: not yet */
    bool seen;
};
struct wait {
    struct cli *cli;
    struct followed *all;
    size_t count;
    long long began_ms;
    bool synced;
};

/* Ctrl-C ends the waiting, not the rollout, and that is said. */
static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    interrupted = number;
}

/* -- verdicts -- */

static bool is_rolled_back(const struct followed *one)
{
    const char *phase = member_text(one->object, "status.phase");
    return strcmp(phase, "rolled-back") == 0 && member_int(one->object, "version") >= one->version;
}

/* -1: goes on. A version older than the awaited one says nothing. */
static int judge(const struct followed *one)
{
    const char *phase = member_text(one->object, "status.phase");
    if (member_int(one->object, "status.observedVersion") < one->version)
        return -1;
    if (strcmp(phase, "complete") == 0)
        return STATUS_FINE;
    if (is_rolled_back(one))
        return STATUS_ROLLED_BACK;
    if (strcmp(phase, "degraded") == 0 || strcmp(phase, "paused") == 0 ||
        strcmp(phase, "deleting") == 0)
        return STATUS_FAILED;
    return -1;
}

static void tell_verdict(struct cli *cli, const struct followed *one)
{
    const char *phase = member_text(one->object, "status.phase");
    const char *message = member_text(one->object, "status.message");
    if (one->verdict == STATUS_FINE) {
        progress_clear();
        fprintf(stderr, "deployment/%s is %scomplete%s: %lld ready, revision %lld\n", one->name,
                paint_on(stderr, PAINT_GREEN), paint_off(stderr),
                member_int(one->object, "status.ready"),
                member_int(one->object, "status.revision"));
        return;
    }
    if (one->verdict == STATUS_ROLLED_BACK) {
        complain(STATUS_ROLLED_BACK,
                 arena_format(&cli->arena, "orchctl why %s; orchctl rollout history %s", one->name,
                              one->name),
                 "deployment/%s was rolled back: revision %lld failed: %s: %s", one->name,
                 member_int(one->object, "status.rolledBackFrom.revision"),
                 member_text(one->object, "status.rolledBackFrom.reason"),
                 member_text(one->object, "status.rolledBackFrom.message"));
    } else {
        bool paused = strcmp(phase, "paused") == 0;
        complain(STATUS_FAILED,
                 arena_format(&cli->arena, paused ? "orchctl rollout resume %s" : "orchctl why %s",
                              one->name),
                 "deployment/%s is %s: %s", one->name, phase, message);
    }
    if (strcmp(phase, "paused") != 0)
        show_failures(cli, one->name);
}

/* -- drawing -- */

static void append_bar(struct text *text, long long part, long long whole)
{
    long long filled = whole > 0 ? part * BAR / whole : BAR;
    filled = filled > BAR ? BAR : filled;
    for (long long i = 0; i < BAR; i++)
        text_append_string(text, i < filled ? "█" : "░");
}

static void append_progress(struct text *text, const struct wait *wait, const struct followed *one,
                            size_t width)
{
    const char *phase = one->seen ? member_text(one->object, "status.phase") : "waiting";
    long long desired = member_int(one->object, "status.desired");
    long long updated = member_int(one->object, "status.updated");
    long long available = member_int(one->object, "status.available");
    text_append_format(text, "%-*s  ", (int)width, one->name);
    append_bar(text, updated < available ? updated : available, desired);
    text_append_format(text, "  %lld/%lld updated, %lld ready  %s%s%s  %llds\n", updated, desired,
                       member_int(one->object, "status.ready"),
                       paint_on(stderr, state_paint(phase)), phase, paint_off(stderr),
                       (now_ms() - wait->began_ms) / 1000);
}

static size_t append_message(struct text *text, const struct followed *one)
{
    char message[256];
    int width = terminal_width() - 4;
    snprintf(message, sizeof message, "%s", member_text(one->object, "status.message"));
    text_defuse(message);
    if (!*message)
        return 0;
    text_append_format(text, "  %s%.*s%s\n", paint_on(stderr, PAINT_DIM), width > 20 ? width : 20,
                       message, paint_off(stderr));
    return 1;
}

static void draw(const struct wait *wait)
{
    CLEANUP(text_finish) struct text text = {0};
    size_t lines = 0, width = 0;
    for (size_t i = 0; i < wait->count; i++)
        width = strlen(wait->all[i].name) > width ? strlen(wait->all[i].name) : width;
    for (size_t i = 0; i < wait->count; i++) {
        if (wait->all[i].verdict >= 0)
            continue;
        append_progress(&text, wait, &wait->all[i], width);
        lines += 1 + append_message(&text, &wait->all[i]);
    }
    progress_draw(text_string(&text), lines);
}

/* Without a terminal: a line for each thing that is new. */
static void tell(struct followed *one)
{
    char line[256];
    snprintf(line, sizeof line, "deployment/%s: %s: %s", one->name,
             member_text(one->object, "status.phase"), member_text(one->object, "status.message"));
    if (is_terminal(stderr) || strcmp(line, one->told) == 0)
        return;
    memcpy(one->told, line, sizeof line);
    remark("%s", line);
}

/* -- following -- */

static bool all_judged(const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->all[i].verdict < 0)
            return false;
    return true;
}

static void gone(struct wait *wait, struct followed *one)
{
    one->verdict = complain(STATUS_FAILED, NULL, "deployment/%s is not there any more", one->name);
    (void)wait;
}

static void see(struct wait *wait, struct followed *one, const char *type, const json_t *object)
{
    if (one->verdict >= 0)
        return;
    if (strcmp(type, "removed") == 0) {
        gone(wait, one);
        return;
    }
    json_decref(one->object);
    one->object = json_incref((json_t *)object);
    one->seen = true;
    one->verdict = judge(one);
    if (one->verdict >= 0)
        tell_verdict(wait->cli, one);
    else
        tell(one);
}

static enum watch_verdict change(void *user, const char *kind, const char *type,
                                 const json_t *object)
{
    struct wait *wait = user;
    const char *name = member_text(object, "name");
    for (size_t i = 0; i < wait->count; i++) {
        if (strcmp(kind, "deployments") == 0 && strcmp(wait->all[i].name, name) == 0)
            see(wait, &wait->all[i], type, object);
        if (strcmp(kind, "synced") == 0 && !wait->all[i].seen && wait->all[i].verdict < 0)
            gone(wait, &wait->all[i]);
    }
    return all_judged(wait) ? WATCH_DONE : WATCH_GO_ON;
}

static enum watch_verdict tick(void *user)
{
    draw(user);
    return interrupted ? WATCH_DONE : WATCH_GO_ON;
}

static int worst(const struct wait *wait)
{
    int status = STATUS_FINE;
    for (size_t i = 0; i < wait->count; i++)
        if (wait->all[i].verdict > 0 && status != STATUS_ROLLED_BACK)
            status = wait->all[i].verdict;
    return status;
}

static int tell_interrupt(struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->all[i].verdict < 0)
            remark("deployment/%s goes on; \"orchctl rollout status %s\" follows it",
                   wait->all[i].name, wait->all[i].name);
    return STATUS_INTERRUPTED;
}

static void tell_timeout(struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->all[i].verdict < 0)
            complain(STATUS_TIMEOUT,
                     arena_format(&wait->cli->arena, "orchctl why %s; orchctl rollout status %s",
                                  wait->all[i].name, wait->all[i].name),
                     "deployment/%s is not complete within the time: %s; it goes on without us",
                     wait->all[i].name, member_text(wait->all[i].object, "status.message"));
}

int rollout_wait(struct cli *cli, const struct awaited *awaited, size_t count)
{
    long long timeout;
    struct wait wait = {.cli = cli, .count = count, .began_ms = now_ms()};
    if (!count)
        return STATUS_FINE;
    if (!option_duration_ms(cli, "timeout", 0, &timeout))
        return STATUS_FAILED;
    wait.all = arena_alloc(&cli->arena, count * sizeof *wait.all);
    for (size_t i = 0; i < count; i++)
        wait.all[i] = (struct followed){
            .name = awaited[i].name, .version = awaited[i].version, .verdict = -1};
    const struct watch watch = {
        .query = count == 1 ? arena_format(&cli->arena, "kinds=deployments&deployment=%s",
                                           client_escape(cli, awaited[0].name))
                            : "kinds=deployments",
        .doing = "follow the rollout",
        .change = change,
        .tick = tick,
        .user = &wait,
        .deadline_ms = timeout ? wait.began_ms + timeout : 0};
    interrupted = 0;
    void (*before)(int) = signal(SIGINT, interrupt);
    int status = watch_run(cli, &watch);
    signal(SIGINT, before);
    progress_clear();
    if (status == STATUS_TIMEOUT)
        tell_timeout(&wait);
    if (status == STATUS_FINE && interrupted)
        status = tell_interrupt(&wait);
    for (size_t i = 0; i < count; i++)
        json_decref(wait.all[i].object);
    return status ? status : worst(&wait);
}

int rollout_wait_one(struct cli *cli, const json_t *deployment)
{
    const struct awaited awaited = {.name =
                                        arena_strdup(&cli->arena, member_text(deployment, "name")),
                                    .version = member_int(deployment, "version")};
    return option_given(cli, "detach") ? STATUS_FINE : rollout_wait(cli, &awaited, 1);
}

/* -- what went wrong -- */

static bool has_failed(const json_t *container)
{
    const char *state = member_text(container, "state");
    return !member_true(container, "ready") && strcmp(state, "stopping") != 0 &&
           (*member_text(container, "reason") || json_array_size(member(container, "ends")));
}

static void show_failure(const json_t *container)
{
    const json_t *ends = member(container, "ends");
    const json_t *log = member(json_array_get(ends, 0), "log");
    size_t i;
    json_t *row;
    remark("  container %s: %s %s", member_text(container, "id"), member_text(container, "reason"),
           member_text(container, "message"));
    json_array_foreach(log, i, row)
        remark("    | %s", json_is_string(row) ? json_string_value(row) : member_text(row, "line"));
}

void show_failures(struct cli *cli, const char *deployment)
{
    size_t i, shown = 0;
    json_t *container;
    json_t *all = client_list(
        cli, arena_format(&cli->arena, "/containers?deployment=%s", client_escape(cli, deployment)),
        "list the containers");
    json_array_foreach(all, i, container)
    {
        if (shown == FAILED_SHOWN || !has_failed(container))
            continue;
        show_failure(container);
        shown++;
    }
    json_decref(all);
}
