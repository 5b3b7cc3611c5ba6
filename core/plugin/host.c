#include "plugin/host.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/text.h"
#include "loop/loop.h"

#include <assert.h>
#include <stdarg.h>

/* Which thread this is, by the word of whoever runs it: the one fact of a thread that can't be
 * handed in, since plugins call back with nothing but their host pointer. */
static _Thread_local int32_t thread_mark;

int32_t plugin_thread_mark(int32_t thread)
{
    int32_t before = thread_mark;
    thread_mark = thread;
    return before;
}

const struct plugin_service *plugin_environment_find(const struct plugin_environment *environment,
                                                     const char *interface_id)
{
    for (size_t i = 0; i < environment->service_count; i++)
        if (text_equal(environment->services[i]->interface_id, interface_id))
            return environment->services[i];
    return NULL;
}

static const void *host_get(const struct orch_host *orch, const char *interface_id)
{
    const struct plugin_host *host = plugin_host_from(orch);
    const struct plugin_service *service =
        interface_id ? plugin_environment_find(host->environment, interface_id) : NULL;
    return service ? service->table : NULL;
}

void plugin_host_init(struct plugin_host *host, const struct plugin_environment *environment,
                      const char *label)
{
    assert(environment->service_count <= PLUGIN_SERVICE_LIMIT);
    *host = (struct plugin_host){.orch = {.size = sizeof host->orch,
                                          .product = environment->product,
                                          .version = environment->version,
                                          .get = host_get},
                                 .environment = environment,
                                 .label = label};
    for (size_t i = 0; i < environment->service_count; i++)
        if (environment->services[i]->attach)
            host->states[i] = environment->services[i]->attach(host);
}

void plugin_host_finish(struct plugin_host *host)
{
    const struct plugin_environment *environment = host->environment;
    for (size_t i = environment->service_count; i-- > 0;)
        if (environment->services[i]->detach)
            environment->services[i]->detach(host->states[i]);
}

struct plugin_host *plugin_host_from(const struct orch_host *orch)
{
    /* The plugin's pointer is const, the object behind it is ours and is not. */
    return (struct plugin_host *)(uintptr_t)CONTAINER_OF(orch, const struct plugin_host, orch);
}

void *plugin_host_state(const struct orch_host *orch, const struct plugin_service *service)
{
    const struct plugin_host *host = plugin_host_from(orch);
    for (size_t i = 0; i < host->environment->service_count; i++)
        if (host->environment->services[i] == service)
            return host->states[i];
    return NULL;
}

void plugin_host_fault(struct plugin_host *host, const char *format, ...)
{
    uint64_t count = atomic_fetch_add(&host->faults, 1) + 1;
    if (count > 10 && (count & (count - 1)) != 0)
        return;
    struct error what = {0};
    va_list arguments;
    va_start(arguments, format);
    error_vset(&what, ERROR_PLUGIN, format, arguments);
    va_end(arguments);
    LOG_WARN("a plugin broke a rule", LOG_STR("plugin", host->label), LOG_STR("rule", what.message),
             LOG_INT("faults", count));
}

static bool on_loop(const struct plugin_host *host)
{
    return host->environment->loop && loop_is_current(host->environment->loop);
}

bool plugin_host_on_loop(const struct orch_host *orch, const char *function)
{
    struct plugin_host *host = plugin_host_from(orch);
    if (on_loop(host))
        return true;
    plugin_host_fault(host, "called %s, which is for the loop's thread, from another one",
                      function);
    return false;
}

static int32_t thread_current(const struct orch_host *orch)
{
    if (thread_mark)
        return thread_mark;
    return on_loop(plugin_host_from(orch)) ? ORCH_THREAD_LOOP : ORCH_THREAD_OTHER;
}

static const struct orch_host_thread_v1 thread_table = {.size = sizeof thread_table,
                                                        .current = thread_current};
const struct plugin_service host_thread_service = {.interface_id = ORCH_HOST_THREAD_1,
                                                   .table = &thread_table};
