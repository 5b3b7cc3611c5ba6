/* The network: one ordered stream between each agent and a server, which may be slow, clogged in
 * one direction, cut, or not be there. What the core holds are the ends of its own in-process
 * links; the other ends of those are ours, and messages cross between them. */
#include "node/messages.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet {
    struct packet *next;
    uint64_t due_ns, sent_ns;
    size_t length;
    char json[];
};
struct direction { /* what is on its way */
    struct flow *flow;
    struct link_end *from, *to; /* our ends; NULL: that side is closed */
    struct packet *first, *last;
    uint64_t last_due_ns, clogged_until_ns;
    bool closing; /* behind the last packet */
    struct loop_timer timer;
    bool up; /* agent -> server */
};
struct flow {
    struct flow *next;
    struct host *host;
    struct server_process *server;
    struct direction up, down;
    uint32_t holds; /* functions of ours that look at it */
    bool full_seen; /* the agent has told everything over it */
};

static struct flow *flows; /* all that have anything left */

static void arm(struct direction *direction)
{
    if (!direction->first && !direction->closing)
        return;
    uint64_t due = direction->first ? direction->first->due_ns : direction->last_due_ns;
    if (direction->clogged_until_ns > due)
        due = direction->clogged_until_ns;
    loop_timer_start(&direction->timer, due > now_ns() ? due - now_ns() : 0);
}

static void drop_packets(struct direction *direction)
{
    while (direction->first) {
        struct packet *next = direction->first->next;
        free(direction->first);
        direction->first = next;
    }
    direction->last = NULL;
    direction->closing = false;
    loop_timer_stop(&direction->timer);
}

static void try_connect_soon(struct host *host, uint64_t within_ns)
{
    loop_timer_start(&host->connect, NS_PER_MS + draw(STREAM_NET, within_ns));
}

static struct process *process_of(struct direction *direction)
{
    return direction->up ? &direction->flow->server->process : &direction->flow->host->process;
}

/* Frees the flow once nothing is left of it. */
static void maybe_free(struct flow *flow)
{
    if (flow->holds || flow->up.from || flow->up.to || flow->up.closing || flow->down.closing ||
        flow->up.first || flow->down.first)
        return;
    if (flow->host->flow == flow)
        flow->host->flow = NULL;
    struct flow **link = &flows;
    while (*link != flow)
        link = &(*link)->next;
    *link = flow->next;
    drop_packets(&flow->up);
    drop_packets(&flow->down);
    free(flow);
}

/* Our end at the receiver's side closes: the core's end there hears of it. */
static void close_side(struct flow *flow, bool server_side)
{
    struct link_end **a = server_side ? &flow->up.to : &flow->down.to;
    struct link_end *end = *a;
    struct process *process = server_side ? &flow->server->process : &flow->host->process;
    if (!end)
        return;
    *a = NULL;
    if (server_side)
        flow->down.from = NULL;
    else
        flow->up.from = NULL;
    process_sync(process);
    link_close(end);
    drop_packets(server_side ? &flow->up : &flow->down);
    if (server_side) {
        flow->host->steady_since_ns = 0;
    } else if (flow->host->flow == flow) {
        flow->host->told_since_ns = 0;
        flow->host->flow = NULL;
        try_connect_soon(flow->host, 800 * NS_PER_MS);
    }
}

/* When a full report has come in and nothing was late since, the node is steady: the server must
 * count its proxy. */
static void note_heard(struct flow *flow, const char *json, size_t length)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct host *host = flow->host;
    struct message message = {0};
    struct error error;
    bool gap = now_ns() - host->heard_ns > (SUSPECT_MS - 700) * NS_PER_MS;
    if (flow->server != server_leader())
        return;
    host->unread = flow->server->process.stopped_until_ns != 0;
    if (!host->unread) {
        host->heard_ns = now_ns();
        host->heard_stalled_ns = world.stalled_ns;
    }
    if (gap)
        host->steady_since_ns = 0;
    if (!schema_read_stored(&message_type, json, length, &arena, &message, &error) ||
        !message.report)
        return;
    JUDGE(reported, host->name, message.report);
    flow->full_seen = flow->full_seen || message.report->full;
    if (message.report->proxy_gone || !flow->full_seen)
        host->steady_since_ns = 0;
    else if (!host->steady_since_ns)
        host->steady_since_ns = now_ns();
}

static void deliver(void *argument)
{
    struct direction *direction = argument;
    struct flow *flow = direction->flow;
    struct packet *packet = direction->first;
    struct process *process = process_of(direction);
    if (now_ns() < direction->clogged_until_ns || (packet && now_ns() < packet->due_ns)) {
        arm(direction);
        return;
    }
    flow->holds++; /* a process that runs may close its end */
    if (packet) {
        direction->first = packet->next;
        if (!direction->first)
            direction->last = NULL;
        process_sync(process);
        trace_bytes(direction->up ? '>' : '<', flow->host->name, packet->json, packet->length);
        if (direction->to && process->loop && !process->dying) {
            if (direction->up)
                note_heard(flow, packet->json, packet->length);
            else if (now_ns() - packet->sent_ns > NS_PER_SECOND)
                flow->host->told_since_ns = now_ns();
            if (!direction->up)
                flow->host->word_ns = now_ns();
            (void)link_send(direction->to, packet->json, packet->length);
        }
        free(packet);
        arm(direction);
    } else if (direction->closing) {
        direction->closing = false;
        close_side(flow, direction->up);
    }
    flow->holds--;
    maybe_free(flow);
}

static void sent(struct direction *direction, const char *json, size_t length)
{
    struct process *sender =
        direction->up ? &direction->flow->host->process : &direction->flow->server->process;
    if (sender->dying)
        return; /* a process that has died says nothing */
    uint64_t delay = NS_PER_US * draw_between(STREAM_NET, 50, 3000);
    if (strikes(FAULT_NET_DELAY, STREAM_NET))
        delay += draw_around(STREAM_NET, NS_PER_SECOND);
    struct packet *packet = memory_alloc(sizeof *packet + length + 1);
    memcpy(packet->json, json, length);
    packet->length = length;
    packet->sent_ns = now_ns();
    packet->due_ns = now_ns() + delay;
    if (packet->due_ns < direction->last_due_ns)
        packet->due_ns = direction->last_due_ns; /* a stream keeps its order */
    direction->last_due_ns = packet->due_ns;
    if (direction->last)
        direction->last->next = packet;
    else
        direction->first = packet;
    direction->last = packet;
    if (!loop_timer_armed(&direction->timer))
        arm(direction);
}

static void agent_sent(void *argument, const char *json, size_t length)
{
    sent(&((struct flow *)argument)->up, json, length);
}

static void server_sent(void *argument, const char *json, size_t length)
{
    sent(&((struct flow *)argument)->down, json, length);
}

/* The core closed its end: the other side hears of it behind what is on its way. */
static void side_closed(struct flow *flow, bool server_side)
{
    struct direction *out = server_side ? &flow->down : &flow->up;
    flow->holds++;
    close_side(flow, server_side);
    flow->holds--;
    if (out->to) { /* unreachable, it hears of it when it has tried to speak for a while */
        out->closing = true;
        out->last_due_ns = flow->host->unreachable
                               ? now_ns() + draw_around(STREAM_NET, 30 * NS_PER_SECOND)
                               : out->last_due_ns + NS_PER_MS;
        arm(out);
    }
    maybe_free(flow);
}

static void agent_closed(void *argument)
{
    side_closed(argument, false);
}

static void server_closed(void *argument)
{
    side_closed(argument, true);
}

static void init_direction(struct direction *direction, struct flow *flow, bool up)
{
    direction->flow = flow;
    direction->up = up;
    loop_timer_init(&direction->timer, world.loop, "packet", deliver, direction);
}

static void connect_flow(struct host *host, struct server_process *server)
{
    struct link_end *server_end, *agent_end, *ours_at_server, *ours_at_agent;
    process_sync(&server->process);
    process_sync(&host->process);
    if (!server_serves(server) || !process_runs(&host->process) || host->flow)
        return;
    struct flow *flow = memory_alloc(sizeof *flow);
    flow->host = host;
    flow->server = server;
    flow->next = flows;
    flows = flow;
    init_direction(&flow->up, flow, true);
    init_direction(&flow->down, flow, false);
    link_pair_create(server->process.loop, &server_end, &ours_at_server);
    link_pair_create(host->process.loop, &ours_at_agent, &agent_end);
    flow->up.from = flow->down.to = ours_at_agent;
    flow->up.to = flow->down.from = ours_at_server;
    link_set_receiver(
        ours_at_server,
        (struct link_receiver){.message = server_sent, .closed = server_closed, .argument = flow});
    link_set_receiver(
        ours_at_agent,
        (struct link_receiver){.message = agent_sent, .closed = agent_closed, .argument = flow});
    host->flow = flow;
    host->told_since_ns = server == server_leader() ? now_ns() : 0;
    trace('N', "%s connects to %s", host->name, server->process.name);
    node_registry_attach(server->server->nodes, server_end);
    agent_attach(host->agent, agent_end);
}

/* Mostly to the newest server; while two run, now and then to the old one, as names may say. */
static struct server_process *pick_server(void)
{
    struct server_process *old = &world.servers[1 - world.leader];
    if (server_serves(old) && draw(STREAM_NET, 4) == 0)
        return old;
    return server_leader();
}

static void try_connect(void *argument)
{
    struct host *host = argument;
    struct server_process *server = pick_server();
    if (host->flow || !process_runs(&host->process) || !server_serves(server) ||
        host->unreachable || now_ns() < host->flow_ready_ns) {
        try_connect_soon(host, 700 * NS_PER_MS);
        return;
    }
    connect_flow(host, server);
    try_connect_soon(host, NS_PER_SECOND);
}

/* -- trouble -- */

static struct loop_timer cuts, clogs, partitions, swizzles, zones;

static void again(struct loop_timer *timer, enum fault fault)
{
    if (world.options.rates[fault] && faults_on())
        loop_timer_start(timer, NS_PER_SECOND + draw_around(STREAM_NET, world.options.rates[fault] *
                                                                            NS_PER_SECOND));
}

static struct host *any_host(void)
{
    return &world.hosts[draw(STREAM_NET, world.options.hosts)];
}

/* Cut: both sides hear of it, not at the same time. */
static void cut(struct host *host)
{
    struct flow *flow = host->flow;
    if (!flow)
        return;
    trace('N', "%s is cut", host->name);
    bool server_first = draw(STREAM_NET, 2) != 0;
    struct direction *late = server_first ? &flow->down : &flow->up;
    late->closing = true;
    late->last_due_ns = now_ns() + draw_around(STREAM_NET, 4 * NS_PER_SECOND);
    late->clogged_until_ns = late->last_due_ns;
    arm(late);
    flow->holds++;
    close_side(flow, server_first);
    flow->holds--;
    maybe_free(flow);
}

static void cut_one(void *argument)
{
    (void)argument;
    struct host *host = any_host();
    if (host->flow) {
        world.hits[FAULT_NET_CUT]++;
        cut(host);
    }
    again(&cuts, FAULT_NET_CUT);
}

/* The longest of what holds up the server's word counts: a server that is stopped for a moment does
 * not end a partition. */
void host_hold_up(struct host *host, uint64_t until_ns)
{
    if (host->told_since_ns && host->told_since_ns < until_ns)
        host->told_since_ns = until_ns;
}

static void clog_one(void *argument)
{
    struct host *host = any_host();
    uint64_t span = draw_around(STREAM_NET, 5 * NS_PER_SECOND);
    uint64_t which = draw(STREAM_NET, 3);
    (void)argument;
    if (host->flow) {
        world.hits[FAULT_NET_CLOG]++;
        trace('N', "%s is clogged (%llu) for %llu ms", host->name, (unsigned long long)which,
              (unsigned long long)(span / NS_PER_MS));
        if (which != 0)
            host->flow->up.clogged_until_ns = now_ns() + span;
        if (which != 1)
            host_hold_up(host, now_ns() + span);
        if (which != 1)
            host->flow->down.clogged_until_ns = now_ns() + span;
    }
    again(&clogs, FAULT_NET_CLOG);
}

static void reunite(void *argument)
{
    struct host *host = argument;
    trace('N', "%s is reachable", host->name);
    host->unreachable = false;
}

/* Nothing passes; who waits too long closes its side, as a timeout would. */
static void part(struct host *host, uint64_t span)
{
    struct flow *flow = host->flow;
    trace('N', "%s is unreachable for %llu ms", host->name, (unsigned long long)(span / NS_PER_MS));
    host->unreachable = true;
    loop_timer_start(&host->reunion, span);
    if (!flow)
        return;
    uint64_t until = now_ns() + span;
    host_hold_up(host, until);
    flow->up.clogged_until_ns = flow->down.clogged_until_ns = until;
    if (span < 6 * NS_PER_SECOND)
        return; /* it goes on where it was */
    flow->up.closing = flow->down.closing = true;
    flow->up.last_due_ns = until + NS_PER_MS * draw(STREAM_NET, 500);
    flow->down.last_due_ns = until;
    arm(&flow->up);
    arm(&flow->down);
}

static void part_one(void *argument)
{
    struct host *host = any_host();
    (void)argument;
    if (!host->unreachable) {
        world.hits[FAULT_NET_PARTITION]++;
        part(host, draw_around(STREAM_NET, 25 * NS_PER_SECOND) + 1);
    }
    again(&partitions, FAULT_NET_PARTITION);
}

/* One after the other within five seconds, back in another order. */
static void swizzle(void *argument)
{
    (void)argument;
    world.hits[FAULT_NET_SWIZZLE]++;
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        uint64_t span = draw_between(STREAM_NET, 1, 10) * NS_PER_SECOND;
        if (!host->unreachable)
            part(host, span + draw(STREAM_NET, 20) * NS_PER_SECOND);
    }
    again(&swizzles, FAULT_NET_SWIZZLE);
}

/* Neighbours, at one stroke, as with a rack or a zone. */
static void part_zone(void *argument)
{
    uint32_t hosts = world.options.hosts;
    (void)argument;
    if (hosts > 1) {
        uint64_t first = draw(STREAM_NET, hosts), count = draw_between(STREAM_NET, 1, hosts);
        uint64_t span = draw_between(STREAM_NET, 5, 60) * NS_PER_SECOND;
        world.hits[FAULT_NET_ZONE]++;
        for (uint64_t i = 0; i < count; i++) {
            struct host *host = &world.hosts[(first + i) % hosts];
            if (!host->unreachable)
                part(host, span + NS_PER_MS * draw(STREAM_NET, 500));
        }
    }
    again(&zones, FAULT_NET_ZONE);
}

static void set_up(struct loop_timer *timer, void (*fire)(void *argument), enum fault fault)
{
    loop_timer_init(timer, world.loop, fault_names[fault], fire, NULL);
    again(timer, fault);
}

void net_init(void)
{
    set_up(&cuts, cut_one, FAULT_NET_CUT);
    set_up(&clogs, clog_one, FAULT_NET_CLOG);
    set_up(&partitions, part_one, FAULT_NET_PARTITION);
    set_up(&swizzles, swizzle, FAULT_NET_SWIZZLE);
    set_up(&zones, part_zone, FAULT_NET_ZONE);
    for (uint32_t i = 0; i < world.options.hosts; i++) {
        struct host *host = &world.hosts[i];
        loop_timer_init(&host->reunion, world.loop, "reunion", reunite, host);
        loop_timer_init(&host->connect, world.loop, "connect", try_connect, host);
        try_connect_soon(host, 300 * NS_PER_MS);
    }
}

void net_heal(void)
{
    loop_timer_stop(&cuts);
    loop_timer_stop(&clogs);
    loop_timer_stop(&partitions);
    loop_timer_stop(&swizzles);
    loop_timer_stop(&zones);
}

static void forget(struct flow *flow, bool server_side, bool silently)
{
    struct direction *out = server_side ? &flow->down : &flow->up;
    bool was_open = server_side ? flow->up.to != NULL : flow->down.to != NULL;
    flow->holds++;
    if (was_open)
        close_side(flow, server_side);
    if (was_open && out->to) { /* the kernel closes for it; a host without power says nothing */
        out->closing = true;
        out->last_due_ns = now_ns() + (silently ? draw_around(STREAM_NET, 20 * NS_PER_SECOND)
                                                : NS_PER_MS * draw_between(STREAM_NET, 1, 50));
        arm(out);
    }
    flow->holds--;
    maybe_free(flow);
}

void net_process_died(struct process *process, bool host_died)
{
    for (struct flow *flow = flows, *next; flow; flow = next) {
        next = flow->next; /* only this one may be freed */
        if (process == &flow->host->process)
            forget(flow, false, host_died);
        else if (process == &flow->server->process)
            forget(flow, true, host_died);
    }
}
