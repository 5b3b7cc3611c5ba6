/* Processes: the server, its successor, and the agents; how they start, stop and die. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct plugin_service *const offered[] = {&host_ops_service};

/* -- a loop and its clock -- */

static uint64_t scale(uint64_t span_ns, int64_t ppm)
{
    return span_ns + (uint64_t)((__int128)(int64_t)span_ns * ppm / 1000000);
}

uint64_t process_local(const struct process *process, uint64_t world_ns)
{
    return process->local_base_ns + scale(world_ns - process->world_base_ns, process->drift_ppm);
}

/* The first instant of the world at which the process's clock has come so far. */
static uint64_t process_world(const struct process *process, uint64_t local_ns)
{
    uint64_t span = local_ns > process->local_base_ns ? local_ns - process->local_base_ns : 0;
    uint64_t at = process->world_base_ns +
                  (uint64_t)((__int128)(int64_t)span * 1000000 / (1000000 + process->drift_ppm));
    while (process_local(process, at) < local_ns)
        at++;
    return at;
}

static uint64_t job_delay(void *argument, const char *name)
{
    bool store = strncmp(name, "store", 5) == 0, disk = strcmp(name, "agent file") == 0;
    enum stream stream = store ? STREAM_STORE : STREAM_PROCESS;
    enum fault fault = store ? FAULT_STORE_SLOW : disk ? FAULT_DISK_SLOW : FAULT_POOL_SLOW;
    uint64_t usual_ns = NS_PER_US * draw_between(stream, 50, 2000);
    (void)argument;
    if (strikes(fault, stream))
        usual_ns += draw_around(stream, NS_PER_SECOND);
    return usual_ns;
}

void process_start(struct process *process, int64_t wall, int64_t drift_ppm)
{
    uint64_t seed = draw(STREAM_PROCESS, UINT64_MAX);
    process->loop = loop_create_virtual(seed, 0);
    loop_virtual_set_delays(process->loop, job_delay, process);
    process->world_base_ns = now_ns();
    process->local_base_ns = loop_now_ns(process->loop);
    process->drift_ppm = drift_ppm;
    process->stopped_until_ns = 0;
    process->dying = false;
    process->generation++;
    process_stale(process);
    loop_virtual_step_wall(process->loop, wall - loop_wall_ms(process->loop));
}

void process_finish(struct process *process)
{
    loop_destroy(process->loop);
    process->loop = NULL;
    process->dying = false;
    process->stopped_until_ns = 0;
    process_stale(process);
}

bool process_runs(const struct process *process)
{
    return process->loop && !process->dying && !process->stopped_until_ns;
}

uint64_t process_next_ns(const struct process *process)
{
    if (!process->loop)
        return UINT64_MAX;
    if (process->stopped_until_ns)
        return process->stopped_until_ns;
    uint64_t local_ns = loop_virtual_next_ns(process->loop);
    return local_ns == UINT64_MAX ? UINT64_MAX : process_world(process, local_ns);
}

/* A server that did not listen holds that against no node, but for the first second of it. */
static void note_stall(const struct process *process)
{
    uint64_t span_ns = now_ns() - process->stopped_at_ns;
    if (process == &server_leader()->process && span_ns > NS_PER_SECOND)
        world.stalled_ns += span_ns - NS_PER_SECOND;
}

/* What came meanwhile has been read now. */
static void note_read(const struct process *process)
{
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        if (process != &server_leader()->process || !host->unread)
            continue;
        host->unread = false;
        host->heard_ns = now_ns();
        host->heard_stalled_ns = world.stalled_ns;
    }
}

void process_sync(struct process *process)
{
    if (!process->loop || process->dying || process->running)
        return; /* in a call of its own: it is up to date */
    if (process->stopped_until_ns > now_ns())
        return;
    uint64_t local_ns = process_local(process, now_ns());
    bool goes_on = process->stopped_until_ns != 0;
    if (goes_on) {
        note_stall(process);
        process->stopped_until_ns = 0;
        loop_virtual_jump(process->loop, local_ns);
        trace('X', "%s goes on", process->name);
    }
    process_stale(process);
    process->running = true;
    (void)loop_run_until(process->loop, local_ns);
    process->running = false;
    if (goes_on)
        note_read(process);
}

/* What came for a server that was stopped and never went on is read by nobody. */
static void forget_unread(void)
{
    for (uint32_t i = 0; i < world.options.hosts; i++)
        world.hosts[i].unread = false;
}

static void start_hosting(struct process *process, struct op_table **ops,
                          struct plugin_environment *environment)
{
    *ops = op_table_create(process->loop);
    *environment = (struct plugin_environment){.product = "simulator",
                                               .version = "1",
                                               .loop = process->loop,
                                               .ops = *ops,
                                               .services = offered,
                                               .service_count = 1};
}

/* -- the server -- */

struct server_process *server_leader(void)
{
    return &world.servers[world.leader];
}

bool server_serves(const struct server_process *process)
{
    return process_runs(&process->process) && process->opened;
}

static void opened(void *argument, const struct error *error)
{
    struct server_process *process = argument;
    trace('X', "%s %s", process->process.name, error ? error->message : "serves");
    process->opened = !error;
    process->failed = error;
    process->opened_at_ns = now_ns();
}

static void touched(void *argument, enum record_kind_id kind, const char *name)
{
    struct server_process *process = argument;
    if (!process->process.dying)
        JUDGE(soft_changed, process, kind, name);
}

void server_start(struct server_process *process)
{
    struct error error;
    struct process *self = &process->process;
    process_start(self, wall_ms(NULL), 0);
    start_hosting(self, &process->ops, &process->environment);
    plugin_host_init(&process->store_host, &process->environment, "store-sim");
    plugin_host_init(&process->scheduler_host, &process->environment, "scheduler");
    const struct server_config config = {.loop = self->loop,
                                         .store = &sim_store_table,
                                         .store_module = process,
                                         .store_host = &process->store_host.orch,
                                         .store_config = "{}",
                                         .state_directory = world.directory,
                                         .event_limit = world.options.event_limit,
                                         .suspect_after_ns = world.options.suspect_after_ns,
                                         .lost_after_ns = world.options.lost_after_ns,
                                         .default_scheduler = world.options.default_scheduler,
                                         .fallback_scheduler = world.options.fallback_scheduler,
                                         .default_balancer = "round-robin"};
    process->opened = process->failed = false;
    forget_unread();
    process->server = server_create(&config);
    server_set_listener(process->server,
                        &(struct server_listener){.touched = touched, .argument = process});
    if (!world.add_schedulers(process, &error))
        world_broken("a scheduler refuses to start: %s", error.message);
    trace('X', "%s starts", self->name);
    server_open(process->server, opened, process);
}

void server_kill(struct server_process *process)
{
    struct process *self = &process->process;
    if (!self->loop)
        return;
    trace('X', "%s dies", self->name);
    self->dying = true;
    JUDGE(server_died, self);
    net_process_died(self, false);
    server_destroy(process->server);
    process->server = NULL;
    process->opened = false;
    plugin_host_finish(&process->store_host);
    plugin_host_finish(&process->scheduler_host);
    op_table_destroy(process->ops);
    process_finish(self);
}

/* -- agents -- */

void agent_start(struct host *host)
{
    struct error error;
    struct process *self = &host->process;
    uint64_t most = world.options.rates[FAULT_CLOCK_DRIFT];
    int64_t drift = most ? (int64_t)draw(STREAM_CLOCK, 2 * most) - (int64_t)most : 0;
    process_start(self, wall_ms(host), drift);
    start_hosting(self, &host->ops, &host->environment);
    plugin_host_init(&host->runtime_host, &host->environment, "runtime-sim");
    host->engine.generation = self->generation;
    host->runtime =
        runtime_create_table(&host->runtime_host, &sim_engine_table, host, host->ops, "{}", &error);
    const struct agent_config config = {
        .loop = self->loop,
        .node_name = host->name,
        .address = "127.0.0.1",
        .labels = host->labels,
        .reserved = host->reserved,
        .state_directory = world.options.files ? host->directory : NULL,
        .runtime = host->runtime,
        .feed = world.options.proxies ? (struct proxy_feed *)host : NULL,
        .runtime_name = "sim"};
    trace('X', "%s starts", self->name);
    host->agent = agent_create(&config, &error);
    host->flow_ready_ns = now_ns() + NS_PER_MS * draw(STREAM_PROCESS, 500);
}

void agent_kill(struct host *host)
{
    struct process *self = &host->process;
    char path[96];
    if (!self->loop)
        return;
    trace('X', "%s dies", self->name);
    self->dying = true;
    net_process_died(self, host->boot_at_ns != 0);
    if (world.options.proxies)
        proxy_agent_died(host);
    engine_process_died(host);
    agent_destroy(host->agent);
    host->agent = NULL;
    runtime_destroy(host->runtime);
    plugin_host_finish(&host->runtime_host);
    op_table_destroy(host->ops);
    process_finish(self);
    host->steady_since_ns = 0;
    if (strikes(FAULT_AGENT_FILE, STREAM_PROCESS)) {
        snprintf(path, sizeof path, "%s/agent.json", host->directory);
        unlink(path);
        host->kept_fence = 0; /* it knows of no server any more */
        trace('X', "%s loses its file", self->name);
    }
}

/* -- trouble with processes -- */

static struct loop_timer server_trouble, server_stop, takeover, agent_trouble, agent_stop,
    host_trouble, server_return[SERVER_LIMIT];

static void arm(struct loop_timer *timer, enum fault fault)
{
    if (world.options.rates[fault])
        loop_timer_start(timer,
                         NS_PER_SECOND + draw_around(STREAM_PROCESS,
                                                     world.options.rates[fault] * NS_PER_SECOND));
}

static void start_server_again(void *argument)
{
    struct server_process *process = argument;
    if (!process->process.loop)
        server_start(process);
}

static void start_agent_again(void *argument)
{
    struct host *host = argument;
    host->boot_at_ns = 0;
    if (!host->process.loop)
        agent_start(host);
}

static void arrange_server(struct server_process *process)
{
    loop_timer_start(&server_return[process - world.servers],
                     NS_PER_MS * draw_between(STREAM_PROCESS, 10, 8000));
}

static void crash_server(void *argument)
{
    struct server_process *process = server_leader();
    (void)argument;
    if (process->process.loop) {
        world.hits[FAULT_SERVER_CRASH]++;
        server_kill(process);
        arrange_server(process);
    }
    arm(&server_trouble, FAULT_SERVER_CRASH);
}

static void stop_process(struct process *process, enum fault fault)
{
    if (!process_runs(process))
        return;
    uint64_t span = draw_around(STREAM_PROCESS, 8 * NS_PER_SECOND);
    process->stopped_at_ns = now_ns();
    process->stopped_until_ns = now_ns() + span + 1;
    process_stale(process);
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (fault == FAULT_SERVER_STOP || process == &world.hosts[i].process)
            host_hold_up(&world.hosts[i], process->stopped_until_ns);
    world.hits[fault]++;
    trace('X', "%s is stopped for %llu ms", process->name, (unsigned long long)(span / NS_PER_MS));
}

static void stop_server(void *argument)
{
    (void)argument;
    stop_process(&server_leader()->process, FAULT_SERVER_STOP);
    arm(&server_stop, FAULT_SERVER_STOP);
}

/* Another server takes over while the old one is stopped, or cut off, or in good health: what keeps
 * the old one from doing harm is its fence. It is killed later. */
static void kill_old(void *argument)
{
    server_kill(argument);
}

static void take_over(void *argument)
{
    static struct loop_timer ending;
    struct server_process *old = server_leader(), *next = &world.servers[1 - world.leader];
    (void)argument;
    arm(&takeover, FAULT_SERVER_TAKEOVER);
    if (next->process.loop || !server_serves(old))
        return;
    world.hits[FAULT_SERVER_TAKEOVER]++;
    world.leader = 1 - world.leader;
    for (uint32_t i = 0; i < world.options.hosts; i++) /* they are still the old one's */
        world.hosts[i].steady_since_ns = world.hosts[i].told_since_ns = 0;
    trace('X', "%s takes over", next->process.name);
    if (draw(STREAM_PROCESS, 2))
        stop_process(&old->process, FAULT_SERVER_STOP);
    loop_timer_stop(&ending);
    loop_timer_init(&ending, world.loop, "old server", kill_old, old);
    loop_timer_start(&ending, draw_between(STREAM_PROCESS, NS_PER_SECOND, 40 * NS_PER_SECOND));
    server_start(next);
}

static struct host *any_host(void)
{
    return &world.hosts[draw(STREAM_PROCESS, world.options.hosts)];
}

static void crash_agent(void *argument)
{
    struct host *host = any_host();
    (void)argument;
    if (host->process.loop) {
        world.hits[FAULT_AGENT_CRASH]++;
        agent_kill(host);
        loop_timer_start(&host->back, NS_PER_MS * draw_between(STREAM_PROCESS, 10, 6000));
    }
    arm(&agent_trouble, FAULT_AGENT_CRASH);
}

static void stop_agent(void *argument)
{
    (void)argument;
    stop_process(&any_host()->process, FAULT_AGENT_STOP);
    arm(&agent_stop, FAULT_AGENT_STOP);
}

/* Everything of a host goes at once: agent, engine with its containers, proxy. */
void host_crash(struct host *host, uint64_t away_ns)
{
    trace('X', "%s loses power", host->name);
    host->boot_at_ns = now_ns() + away_ns + 1;
    agent_kill(host);
    engine_host_died(host);
    if (world.options.proxies)
        proxy_host_died(host);
    loop_timer_start(&host->back, away_ns + 1);
}

void host_boot(struct host *host)
{
    loop_timer_stop(&host->back);
    engine_boot(host);
    start_agent_again(host);
}

static void crash_host(void *argument)
{
    struct host *host = any_host();
    (void)argument;
    if (!host->boot_at_ns) {
        uint64_t away = draw_around(STREAM_PROCESS, 20 * NS_PER_SECOND);
        world.hits[FAULT_HOST_CRASH]++;
        host_crash(host, away);
    }
    arm(&host_trouble, FAULT_HOST_CRASH);
}

static void set_up(struct loop_timer *timer, void (*fire)(void *argument), enum fault fault)
{
    loop_timer_init(timer, world.loop, fault_names[fault], fire, NULL);
    arm(timer, fault);
}

void processes_init(void)
{
    for (int i = 0; i < SERVER_LIMIT; i++) {
        struct server_process *process = &world.servers[i];
        snprintf(process->process.name, sizeof process->process.name, "server-%d", i + 1);
        loop_timer_init(&server_return[i], world.loop, "server again", start_server_again, process);
    }
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        snprintf(host->process.name, sizeof host->process.name, "agent-%u", i + 1);
        loop_timer_init(&host->back, world.loop, "agent again", start_agent_again, host);
    }
    set_up(&server_trouble, crash_server, FAULT_SERVER_CRASH);
    set_up(&server_stop, stop_server, FAULT_SERVER_STOP);
    set_up(&takeover, take_over, FAULT_SERVER_TAKEOVER);
    set_up(&agent_trouble, crash_agent, FAULT_AGENT_CRASH);
    set_up(&agent_stop, stop_agent, FAULT_AGENT_STOP);
    set_up(&host_trouble, crash_host, FAULT_HOST_CRASH);
}

void processes_heal(void)
{
    struct loop_timer *const timers[] = {&server_trouble, &server_stop, &takeover,
                                         &agent_trouble,  &agent_stop,  &host_trouble};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++)
        loop_timer_stop(timers[i]);
    if (!server_leader()->process.loop)
        server_start(server_leader());
    for (uint32_t i = 0; i < world.options.hosts; i++)
        if (!world.hosts[i].process.loop)
            start_agent_again(&world.hosts[i]);
}

void processes_bury(void)
{
    for (int i = 0; i < SERVER_LIMIT; i++) {
        struct server_process *process = &world.servers[i];
        if (!process->process.loop || (!process->process.dying && !process->failed))
            continue;
        server_kill(process);
        if ((uint32_t)i == world.leader)
            arrange_server(process);
    }
}

struct server_process *server_of_store(const void *store)
{
    for (int i = 0; i < SERVER_LIMIT; i++)
        if (&world.servers[i] == store)
            return &world.servers[i];
    return NULL;
}
