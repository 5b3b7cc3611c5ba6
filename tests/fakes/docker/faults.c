/* The script of faults, and the calls that came. */
#include "fakes/docker/impl.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *copy(const char *string)
{
    return string ? strdup(string) : NULL;
}

void fake_docker_fault(struct fake_docker *fake, const struct fake_fault *given)
{
    struct fault *fault = calloc(1, sizeof *fault), **last = &fake->faults;
    if (!fault)
        abort();
    fault->fault = *given;
    fault->fault.call = copy(given->call);
    fault->fault.body = copy(given->body);
    if (!fault->fault.times)
        fault->fault.times = 1;
    pthread_mutex_lock(&fake->lock);
    while (*last)
        last = &(*last)->next;
    *last = fault;
    pthread_mutex_unlock(&fake->lock);
}

void fault_finish(struct fake_fault *fault)
{
    free((char *)fault->call);
    free((char *)fault->body);
    *fault = (struct fake_fault){0};
}

void fake_docker_faults_clear(struct fake_docker *fake)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->faults) {
        struct fault *next = fake->faults->next;
        fault_finish(&fake->faults->fault);
        free(fake->faults);
        fake->faults = next;
    }
    pthread_mutex_unlock(&fake->lock);
}

static bool fits(const char *call, const struct exchange *exchange)
{
    char *name = NULL;
    if (asprintf(&name, "%s %s", exchange->method, exchange->path) < 0)
        abort();
    bool same = fnmatch(call, name, 0) == 0;
    free(name);
    return same;
}

/* The first that fits and has not been used up; those before it count this call as passed. */
void fault_take(struct fake_docker *fake, struct exchange *exchange)
{
    for (struct fault *fault = fake->faults; fault; fault = fault->next) {
        if (!fault->fault.times || !fits(fault->fault.call, exchange))
            continue;
        if (fault->fault.after) {
            fault->fault.after--;
            continue;
        }
        fault->fault.times--;
        exchange->fault = fault->fault;
        exchange->fault.call = copy(fault->fault.call);
        exchange->fault.body = copy(fault->fault.body);
        return;
    }
}

static void flood(struct exchange *exchange)
{
    char block[8192];
    memset(block, 'x', sizeof block);
    for (size_t sent = 0; sent < exchange->fault.bytes; sent += sizeof block)
        if (!http_chunk(exchange, block, sizeof block))
            return;
}

bool fault_stream(struct exchange *exchange, const char *content_type)
{
    const struct fake_fault *fault = &exchange->fault;
    if ((fault->how != FAKE_REPLY && fault->how != FAKE_FLOOD) ||
        (fault->status && fault->status != 200))
        return false;
    exchange->taken = true;
    if (!http_begin_chunked(exchange, content_type))
        return true;
    if (fault->how == FAKE_FLOOD)
        flood(exchange);
    else if (fault->body)
        (void)http_chunk(exchange, fault->body, strlen(fault->body));
    if (fault->stall)
        fake_await_hangup(exchange);
    else if (fault->cut)
        exchange->closes = true;
    else
        http_end_chunked(exchange);
    return true;
}

/* -- calls -- */

void call_note(struct fake_docker *fake, const struct exchange *exchange, const char *target)
{
    if (fake->call_count == CALLS_KEPT)
        return;
    fake->calls = realloc(fake->calls, (fake->call_count + 1) * sizeof *fake->calls);
    struct fake_call *call = fake->calls ? &fake->calls[fake->call_count++] : NULL;
    if (!call || asprintf(&call->call, "%s %s", exchange->method, exchange->path) < 0 ||
        asprintf(&call->whole, "%s %s", exchange->method, target) < 0)
        abort();
    call->body = strdup(exchange->body ? exchange->body : "");
    pthread_cond_broadcast(&fake->changed);
}

static unsigned count_calls(const struct fake_docker *fake, const char *call)
{
    unsigned count = 0;
    for (size_t i = 0; i < fake->call_count; i++)
        count += fnmatch(call, fake->calls[i].call, 0) == 0;
    return count;
}

unsigned fake_docker_calls(struct fake_docker *fake, const char *call)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = count_calls(fake, call);
    pthread_mutex_unlock(&fake->lock);
    return count;
}

bool fake_docker_await(struct fake_docker *fake, const char *call, unsigned count, unsigned ms)
{
    int64_t until = fake_now_ms() + ms;
    pthread_mutex_lock(&fake->lock);
    while (count_calls(fake, call) < count && fake_wait(fake, until))
        ;
    bool enough = count_calls(fake, call) >= count;
    pthread_mutex_unlock(&fake->lock);
    return enough;
}

void fake_docker_calls_clear(struct fake_docker *fake)
{
    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->call_count; i++) {
        free(fake->calls[i].call);
        free(fake->calls[i].whole);
        free(fake->calls[i].body);
    }
    fake->call_count = 0;
    pthread_mutex_unlock(&fake->lock);
}

char *fake_docker_last(struct fake_docker *fake, const char *call, char **body)
{
    char *whole = NULL;
    pthread_mutex_lock(&fake->lock);
    for (size_t i = fake->call_count; i-- > 0 && !whole;) {
        if (fnmatch(call, fake->calls[i].call, 0) != 0)
            continue;
        whole = strdup(fake->calls[i].whole);
        if (body)
            *body = strdup(fake->calls[i].body);
    }
    pthread_mutex_unlock(&fake->lock);
    return whole;
}
