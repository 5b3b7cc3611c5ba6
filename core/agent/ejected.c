/* What the local proxy leaves out by what it sees on it: kept until the server has been told, and
 * as long as it lasts. */
#include "agent/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ejected_note *find(struct agent *agent, const char *service, const char *container)
{
    struct ejected_note *note = agent->ejected;
    while (note && (strcmp(note->container, container) != 0 || strcmp(note->service, service) != 0))
        note = note->next;
    return note;
}

void ejected_take(void *argument, const char *service, const char *endpoint, bool out,
                  const char *why, uint64_t time_ns)
{
    struct agent *agent = argument;
    struct ejected_note *note = find(agent, service, endpoint);
    if (!note) {
        note = memory_alloc(sizeof *note);
        snprintf(note->service, sizeof note->service, "%s", service);
        snprintf(note->container, sizeof note->container, "%s", endpoint);
        note->next = agent->ejected;
        agent->ejected = note;
    }
    note->out = out;
    note->dirty = true;
    note->time_ns = time_ns;
    snprintf(note->message, sizeof note->message, "%s", why);
    report_arrange(agent);
}

void ejected_proxy_changed(struct agent *agent)
{
    for (struct ejected_note *note = agent->ejected; note; note = note->next)
        if (note->out) {
            note->out = false;
            note->dirty = true;
        }
}

void ejected_fill(struct agent *agent, struct report *report, struct arena *arena)
{
    uint32_t count = 0;
    for (const struct ejected_note *note = agent->ejected; note; note = note->next)
        count++;
    struct reported_ejection *items = arena_alloc(arena, (count + 1) * sizeof *items);
    report->ejections.items = items;
    for (const struct ejected_note *note = agent->ejected; note; note = note->next)
        if (note->dirty || report->full)
            items[report->ejections.count++] =
                (struct reported_ejection){.service = note->service,
                                           .container = note->container,
                                           .out = note->out,
                                           .message = note->message,
                                           .time_ns = note->time_ns};
}

void ejected_told(struct agent *agent)
{
    for (struct ejected_note **link = &agent->ejected; *link;) {
        struct ejected_note *note = *link;
        note->dirty = false;
        if (note->out) {
            link = &note->next;
            continue;
        }
        *link = note->next;
        free(note);
    }
}

void ejected_finish(struct agent *agent)
{
    while (agent->ejected) {
        struct ejected_note *next = agent->ejected->next;
        free(agent->ejected);
        agent->ejected = next;
    }
}
