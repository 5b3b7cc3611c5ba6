#include "proxy/worker.h"
#include "base/log.h"
#include "proxy/http/http.h"
#include "proxy/udp.h"
#include "proxy/tls.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES = 64 * 1024 };

/* -- to the main thread -- */

static void nudged(struct loop_task *task)
{
    struct worker *worker = CONTAINER_OF(task, struct worker, nudge_task);
    atomic_store(&worker->nudged, false);
    proxy_settle(worker->proxy);
}

void worker_nudge(struct worker *worker)
{
    if (!atomic_exchange(&worker->nudged, true))
        loop_post(worker->proxy->loop, &worker->nudge_task);
}

/* -- services -- */

static void free_service(struct worker_service *service)
{
    meter_release(service->meter);
    free(service);
}

void worker_service_left(struct worker_service *service)
{
    if (--service->connections == 0 && !service->view)
        free_service(service);
}

static void retire_service(struct worker *worker, struct worker_service *service)
{
    HASH_DEL(worker->services, service);
    chooser_retire(worker, service->chooser);
    service->chooser = NULL;
    service->view = NULL;
    if (!service->connections)
        free_service(service);
}

static struct worker_service *find_service(struct worker *worker, uint64_t id)
{
    struct worker_service *service = NULL;
    HASH_FIND(hh, worker->services, &id, sizeof id, service);
    if (service)
        return service;
    service = memory_alloc(sizeof *service);
    service->id = id;
    HASH_ADD(hh, worker->services, id, sizeof service->id, service);
    return service;
}

static void use_view(struct worker *worker, struct worker_service *service, struct view *view)
{
    struct chooser *old = service->chooser;
    service->view = view;
    service->connect_timeout_ns = view->connect_timeout_ns;
    service->idle_timeout_ns = view->idle_timeout_ns;
    service->protocol = view->protocol;
    service->tls = view->tls;
    if (!service->meter)
        service->meter = meter_hold(view->meter);
    if (!old || old->policy != view->policy)
        service->chooser = chooser_create(worker, view->policy, view->tally);
    chooser_update(worker, service->chooser, view);
    if (old && old != service->chooser)
        chooser_retire(worker, old);
}

/* Requests in flight at an endpoint that leaves go on; no connection waits there for more. */
static void set_lanes(struct worker *worker, const struct view *view)
{
    for (uint32_t i = 0; i < view->endpoints.items.count; i++)
        http_lane_set(worker, view->picked[i], true);
    for (uint32_t i = 0; i < view->draining_count; i++)
        http_lane_set(worker, view->draining[i], false);
}

/* Endpoints of a view that is no longer used: some have gone for good. */
static void obey_dropped(struct worker *worker, const struct view *view)
{
    for (uint32_t i = 0; i < view->endpoints.items.count; i++)
        connection_obey(worker, view->picked[i]);
    for (uint32_t i = 0; i < view->draining_count; i++)
        connection_obey(worker, view->draining[i]);
}

static void retire_missing(struct worker *worker, uint64_t sequence)
{
    struct worker_service *service, *next;
    HASH_ITER(hh, worker->services, service, next)
    {
        if (service->sequence != sequence)
            retire_service(worker, service);
    }
}

static void apply(struct worker *worker, const struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->view_count; i++) {
        struct view *view = snapshot->views[i];
        struct worker_service *service = find_service(worker, view->service_id);
        struct view *old = service->view;
        service->sequence = snapshot->sequence;
        if (old == view)
            continue;
        use_view(worker, service, view);
        set_lanes(worker, view);
        if (old)
            obey_dropped(worker, old);
    }
    accept_take(worker, snapshot);
    worker->snapshot = snapshot;
    http_look_held(worker);
    retire_missing(worker, snapshot->sequence);
    atomic_store(&worker->applied, snapshot->sequence);
    worker_nudge(worker);
}

static void sweep(struct worker *worker)
{
    const struct snapshot *snapshot = worker->snapshot;
    for (uint32_t i = 0; snapshot && i < snapshot->view_count; i++)
        for (uint32_t j = 0; j < snapshot->views[i]->draining_count; j++)
            connection_obey(worker, snapshot->views[i]->draining[j]);
}

static void woken(struct loop_task *task)
{
    struct worker *worker = CONTAINER_OF(task, struct worker, wake_task);
    atomic_store(&worker->woken, false);
    if (atomic_load(&worker->ending)) {
        loop_stop(worker->loop);
        return;
    }
    const struct snapshot *snapshot = atomic_exchange(&worker->mail, NULL);
    if (snapshot)
        apply(worker, snapshot);
    sweep(worker);
}

static void wake(struct worker *worker)
{
    if (!atomic_exchange(&worker->woken, true))
        loop_post(worker->loop, &worker->wake_task);
}

void workers_wake(struct proxy *proxy)
{
    for (uint32_t i = 0; i < proxy->worker_count; i++)
        wake(&proxy->workers[i]);
}

void workers_publish(struct proxy *proxy, struct snapshot *snapshot)
{
    for (uint32_t i = 0; i < proxy->worker_count; i++)
        atomic_store(&proxy->workers[i].mail, snapshot);
    workers_wake(proxy);
}

uint64_t worker_applied(const struct proxy *proxy, uint32_t index)
{
    return atomic_load(&proxy->workers[index].applied);
}

uint64_t workers_connections(const struct proxy *proxy)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < proxy->worker_count; i++)
        count += atomic_load(&proxy->workers[i].connections);
    return count;
}

/* -- life -- */

static void beat(void *argument)
{
    struct worker *worker = argument;
    pulse_beat(&worker->pulse);
    if (worker->index == 0)
        pulse_check(&worker->proxy->pulse, "main");
    loop_timer_start(&worker->beat, PULSE_MS * NS_PER_MS);
}

static void end_services(struct worker *worker)
{
    struct worker_service *service, *next;
    HASH_ITER(hh, worker->services, service, next)
    {
        retire_service(worker, service);
    }
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    (void)plugin_thread_mark(ORCH_THREAD_WORKER);
    loop_timer_init(&worker->beat, worker->loop, "beat", beat, worker);
    loop_timer_start(&worker->beat, 0);
    loop_run(worker->loop);
    loop_timer_stop(&worker->beat);
    accept_finish(worker);
    tls_handshakes_finish(worker);
    http_finish(worker);
    udp_finish(worker);
    connection_finish(worker);
    end_services(worker);
    return NULL;
}

static bool start(struct proxy *proxy, uint32_t index, struct error *error)
{
    struct worker *worker = &proxy->workers[index];
    worker->proxy = proxy;
    worker->index = index;
    worker->wake_task = (struct loop_task){.run = woken, .name = "snapshot"};
    worker->nudge_task = (struct loop_task){.run = nudged, .name = "worker's word"};
    worker->scratch = memory_alloc(SCRATCH_BYTES);
    worker->loop = loop_create_real(error);
    if (!worker->loop)
        return false;
    int failed = pthread_create(&worker->thread, NULL, run, worker);
    if (failed)
        return error_set_errno(error, ERROR_IO, failed, "a worker thread");
    worker->started = true;
    return true;
}

bool workers_start(struct proxy *proxy, struct error *error)
{
    proxy->workers =
        aligned_alloc(_Alignof(struct worker), proxy->worker_count * sizeof(struct worker));
    if (!proxy->workers)
        return error_set(error, ERROR_NO_MEMORY, "no memory for workers");
    memset(proxy->workers, 0, proxy->worker_count * sizeof(struct worker));
    for (uint32_t i = 0; i < proxy->worker_count; i++)
        if (!start(proxy, i, error))
            return false;
    return true;
}

void workers_stop(struct proxy *proxy)
{
    for (uint32_t i = 0; proxy->workers && i < proxy->worker_count; i++) {
        struct worker *worker = &proxy->workers[i];
        if (worker->started) {
            atomic_store(&worker->ending, true);
            wake(worker);
            pthread_join(worker->thread, NULL);
        }
        free(worker->scratch);
        free(worker->tried);
    }
}

void workers_free(struct proxy *proxy)
{
    for (uint32_t i = 0; proxy->workers && i < proxy->worker_count; i++)
        loop_destroy(proxy->workers[i].loop);
    free(proxy->workers);
}
