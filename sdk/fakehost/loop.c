/* Virtual time: everything that will be called is an event with an instant and an order. */
#include "impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t fakehost_schedule(struct fakehost *fake, uint64_t delay_ns, void (*run)(void *context),
                           void *context)
{
    struct event *event = calloc(1, sizeof *event), **link = &fake->events;
    if (!event)
        abort();
    pthread_mutex_lock(&fake->lock);
    event->id = ++fake->next_id;
    event->due_ns = fake->now_ns + delay_ns;
    event->run = run;
    event->context = context;
    while (*link && (*link)->due_ns <= event->due_ns) /* of one instant: in the order made */
        link = &(*link)->next;
    event->next = *link;
    *link = event;
    pthread_mutex_unlock(&fake->lock);
    return event->id;
}

static struct event *take(struct fakehost *fake, uint64_t until_ns)
{
    struct event *event;
    pthread_mutex_lock(&fake->lock);
    event = fake->events;
    if (event && event->due_ns <= until_ns)
        fake->events = event->next;
    else
        event = NULL;
    pthread_mutex_unlock(&fake->lock);
    return event;
}

static int step_until(struct fakehost *fake, uint64_t until_ns)
{
    struct event *event = take(fake, until_ns), copy;
    if (!event)
        return 0;
    copy = *event;
    free(event);
    if (copy.due_ns > fake->now_ns)
        fake->now_ns = copy.due_ns;
    copy.run(copy.context);
    return 1;
}

int fakehost_step(struct fakehost *fake)
{
    return step_until(fake, UINT64_MAX);
}

unsigned fakehost_run(struct fakehost *fake)
{
    unsigned steps = 0;
    while (steps < 100000 && fakehost_step(fake))
        steps++;
    return steps;
}

void fakehost_advance(struct fakehost *fake, uint64_t ns)
{
    uint64_t until = fake->now_ns + ns;
    while (step_until(fake, until))
        ;
    fake->now_ns = until;
}

uint64_t fakehost_now_ns(const struct fakehost *fake)
{
    return fake->now_ns;
}

/* ---- the table ------------------------------------------------------------------------------- */

static uint64_t now_ns(const struct orch_host *host)
{
    (void)fakehost_on_loop(fakehost_from(host), "now_ns");
    return fakehost_from(host)->now_ns;
}

static int64_t wall_ms(const struct orch_host *host)
{
    return (int64_t)(fakehost_from(host)->now_ns / 1000000);
}

/* xorshift64 (Marsaglia 2003), from a fixed seed. */
static uint64_t random_number(const struct orch_host *host)
{
    struct fakehost *fake = fakehost_from(host);
    fake->random ^= fake->random << 13;
    fake->random ^= fake->random >> 7;
    fake->random ^= fake->random << 17;
    return fake->random;
}

static orch_status post(const struct orch_host *host, void (*run)(void *context), void *context)
{
    (void)fakehost_schedule(fakehost_from(host), 0, run, context);
    return ORCH_OK;
}

static orch_status timer_start(const struct orch_host *host, uint64_t delay_ns,
                               void (*fire)(void *context), void *context, uint64_t *timer)
{
    struct fakehost *fake = fakehost_from(host);
    if (!fakehost_on_loop(fake, "timer_start"))
        return ORCH_E_WRONG_THREAD;
    *timer = fakehost_schedule(fake, delay_ns, fire, context);
    return ORCH_OK;
}

static void timer_stop(const struct orch_host *host, uint64_t timer)
{
    struct fakehost *fake = fakehost_from(host);
    struct event **link = &fake->events, *event;
    if (!fakehost_on_loop(fake, "timer_stop"))
        return;
    while (*link && (*link)->id != timer)
        link = &(*link)->next;
    event = *link;
    if (event)
        *link = event->next;
    free(event);
}

static struct watcher *watcher_find(struct fakehost *fake, uint64_t id)
{
    struct watcher *watcher = fake->watchers;
    while (watcher && watcher->id != id)
        watcher = watcher->next;
    return watcher;
}

static orch_status watch(const struct orch_host *host, int32_t fd, uint32_t events,
                         void (*ready)(void *context, int32_t fd, uint32_t events), void *context,
                         uint64_t *id)
{
    struct fakehost *fake = fakehost_from(host);
    struct watcher *watcher;
    if (!fakehost_on_loop(fake, "watch"))
        return ORCH_E_WRONG_THREAD;
    watcher = calloc(1, sizeof *watcher);
    if (!watcher)
        abort();
    watcher->id = *id = ++fake->next_id;
    watcher->fd = fd;
    watcher->events = events;
    watcher->ready = ready;
    watcher->context = context;
    watcher->next = fake->watchers;
    fake->watchers = watcher;
    return ORCH_OK;
}

static orch_status watch_change(const struct orch_host *host, uint64_t id, uint32_t events)
{
    struct watcher *watcher = watcher_find(fakehost_from(host), id);
    if (!watcher)
        return ORCH_E_NOT_FOUND;
    watcher->events = events;
    return ORCH_OK;
}

static void unwatch(const struct orch_host *host, uint64_t id)
{
    struct watcher **link = &fakehost_from(host)->watchers, *watcher;
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    watcher = *link;
    if (watcher)
        *link = watcher->next;
    free(watcher);
}

int fakehost_ready(struct fakehost *fake, int32_t fd, uint32_t events)
{
    struct watcher *watcher;
    for (watcher = fake->watchers; watcher; watcher = watcher->next)
        if (watcher->fd == fd && watcher->events & events) {
            watcher->ready(watcher->context, fd, watcher->events & events);
            return 1;
        }
    return 0;
}

/* The work runs on the one thread there is, at its turn; then `done` at its own. */
static orch_status offload(const struct orch_host *host, void (*work)(void *context),
                           void (*done)(void *context), void *context)
{
    struct fakehost *fake = fakehost_from(host);
    if (!fakehost_on_loop(fake, "offload"))
        return ORCH_E_WRONG_THREAD;
    (void)fakehost_schedule(fake, 0, work, context);
    if (done)
        (void)fakehost_schedule(fake, 0, done, context);
    return ORCH_OK;
}

const struct orch_host_loop_v1 fakehost_loop_table = {.size = sizeof fakehost_loop_table,
                                                      .now_ns = now_ns,
                                                      .wall_ms = wall_ms,
                                                      .random = random_number,
                                                      .post = post,
                                                      .timer_start = timer_start,
                                                      .timer_stop = timer_stop,
                                                      .watch = watch,
                                                      .watch_change = watch_change,
                                                      .unwatch = unwatch,
                                                      .offload = offload};
