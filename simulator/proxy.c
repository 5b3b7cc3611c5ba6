/* The proxy of a host as a model behind the functions of proxy/feed.h: publications take effect
 * after a while, connections last, draining ends them, and the process may die.
 *
 * Connections come in as a proxy would take them: from anybody, to an endpoint that its present
 * table has as active. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_connection {
    struct sim_connection *next;
    struct host *host;
    char service[64], endpoint[80];
    struct loop_timer end;
};

static struct host *host_of(struct proxy_feed *feed)
{
    return (struct host *)feed;
}

static struct proxy_table_service *find_service(struct proxy_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->count; i++)
        if (strcmp(table->services[i].name, name) == 0)
            return &table->services[i];
    return NULL;
}

static struct proxy_endpoint *find_endpoint(struct proxy_table_service *service, const char *id)
{
    for (uint32_t i = 0; service && i < service->count; i++)
        if (strcmp(service->endpoints[i].id, id) == 0)
            return &service->endpoints[i];
    return NULL;
}

struct proxy_endpoint *proxy_endpoint(struct host *host, const char *service, const char *id)
{
    for (uint32_t i = 0; i < host->proxy.now.count; i++) {
        struct proxy_table_service *at = &host->proxy.now.services[i];
        struct proxy_endpoint *endpoint = find_endpoint(at, id);
        if (endpoint && (!service || strcmp(service, at->name) == 0))
            return endpoint;
    }
    return NULL;
}

bool proxy_has_active(const struct host *host, const char *id)
{
    for (uint32_t i = 0; i < host->proxy.now.count; i++)
        for (uint32_t k = 0; k < host->proxy.now.services[i].count; k++) {
            const struct proxy_endpoint *at = &host->proxy.now.services[i].endpoints[k];
            if (!at->draining && strcmp(at->id, id) == 0)
                return true;
        }
    return false;
}

/* -- telling the agent -- */

/* Its socket takes words also while the agent is stopped. */
static bool can_tell(struct host *host)
{
    process_sync(&host->process);
    return host->process.loop && !host->process.dying && host->agent &&
           host->proxy.callbacks.acknowledged;
}

/* What it says is on its way for a moment: in order, and the agent may have said more meanwhile. */
static void say(struct host *host, const struct proxy_word *word)
{
    struct sim_proxy *proxy = &host->proxy;
    uint64_t due_ns = now_ns() + NS_PER_US * draw_between(STREAM_PROXY, 10, 1000);
    if (strikes(FAULT_PROXY_SLOW, STREAM_PROXY))
        due_ns += draw_around(STREAM_PROXY, NS_PER_SECOND / 2);
    struct proxy_word *copy = memory_alloc(sizeof *copy);
    *copy = *word;
    copy->next = NULL;
    copy->due_ns = due_ns > proxy->last_word_ns ? due_ns : proxy->last_word_ns;
    proxy->last_word_ns = copy->due_ns;
    struct proxy_word **link = &proxy->words;
    while (*link)
        link = &(*link)->next;
    *link = copy;
    if (!loop_timer_armed(&proxy->words_due))
        loop_timer_start(&proxy->words_due, copy->due_ns - now_ns());
}

static void hear(const struct feed_callbacks *to, const struct proxy_word *word)
{
    switch (word->kind) {
    case WORD_CONNECTED:
        if (to->connected)
            to->connected(to->argument, word->yes);
        break;
    case WORD_ACKNOWLEDGED:
        to->acknowledged(to->argument, word->numbers[0]);
        break;
    case WORD_DRAINED:
        to->drained(to->argument, word->service, word->endpoint, word->numbers[0]);
        break;
    case WORD_LISTENER:
        to->listener(to->argument, word->service, word->yes,
                     word->yes ? "" : "the address is in use");
        break;
    case WORD_COUNTERS:
        to->counters(to->argument,
                     &(struct feed_counters){
                         .service = word->service,
                         .endpoint = word->endpoint,
                         .in_flight = word->numbers[0],
                         .totals.counts = {[TRAFFIC_SERVED] = (int64_t)word->numbers[1],
                                           [TRAFFIC_FAILED] = (int64_t)word->numbers[2]}});
        break;
    }
}

static void words_arrive(void *argument)
{
    struct host *host = argument;
    struct sim_proxy *proxy = &host->proxy;
    process_sync(&host->process);
    if (!proxy->words)
        return;
    if (!process_runs(&host->process)) { /* stopped; dead, it would have taken them along */
        loop_timer_start(&proxy->words_due, 20 * NS_PER_MS);
        return;
    }
    struct proxy_word *word = proxy->words;
    proxy->words = word->next;
    if (proxy->words)
        loop_timer_start(&proxy->words_due,
                         proxy->words->due_ns > now_ns() ? proxy->words->due_ns - now_ns() : 0);
    hear(&proxy->callbacks, word);
    free(word);
}

static void forget_words(struct sim_proxy *proxy)
{
    while (proxy->words) {
        struct proxy_word *next = proxy->words->next;
        free(proxy->words);
        proxy->words = next;
    }
    loop_timer_stop(&proxy->words_due);
}

static void tell_connected(struct host *host, bool connected)
{
    if (can_tell(host))
        say(host, &(struct proxy_word){.kind = WORD_CONNECTED, .yes = connected});
}

static void tell_drained(struct host *host, const char *service, struct proxy_endpoint *endpoint,
                         uint64_t cut)
{
    struct proxy_word word = {.kind = WORD_DRAINED, .numbers = {cut}};
    if (endpoint->told || !can_tell(host))
        return;
    endpoint->told = true;
    snprintf(word.service, sizeof word.service, "%s", service);
    memcpy(word.endpoint, endpoint->id, sizeof word.endpoint);
    trace('P', "%s %s %s drained, %llu cut", host->name, service, word.endpoint,
          (unsigned long long)cut);
    say(host, &word);
}

/* -- connections -- */

static void free_connection(struct sim_connection *connection)
{
    struct sim_connection **link = &connection->host->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    loop_timer_stop(&connection->end);
    free(connection);
}

/* Of one endpoint, or of all; answers how many. */
static uint64_t cut_connections(struct host *host, const char *service, const char *endpoint)
{
    uint64_t count = 0;
    for (struct sim_connection *at = host->connections, *next; at; at = next) {
        next = at->next;
        if ((service && strcmp(at->service, service) != 0) ||
            (endpoint && strcmp(at->endpoint, endpoint) != 0))
            continue;
        free_connection(at);
        count++;
    }
    return count;
}

static void connection_over(void *argument)
{
    struct sim_connection *connection = argument;
    struct host *host = connection->host;
    char service[64], id[80];
    memcpy(service, connection->service, sizeof service);
    memcpy(id, connection->endpoint, sizeof id);
    free_connection(connection);
    struct proxy_endpoint *endpoint = proxy_endpoint(host, service, id);
    if (!endpoint)
        return;
    endpoint->in_flight -= endpoint->in_flight > 0;
    endpoint->served++;
    if (endpoint->draining && !endpoint->in_flight)
        tell_drained(host, service, endpoint, 0);
}

static void connect_one(struct host *host, struct proxy_table_service *service)
{
    uint64_t active = 0;
    for (uint32_t i = 0; i < service->count; i++)
        active += !service->endpoints[i].draining;
    uint64_t pick = draw(STREAM_TRAFFIC, active);
    uint64_t span = NS_PER_MS * draw_between(STREAM_TRAFFIC, 5, 2000);
    if (draw(STREAM_TRAFFIC, 12) == 0)
        span += draw_around(STREAM_TRAFFIC, 30 * NS_PER_SECOND);
    for (uint32_t i = 0; active && i < service->count; i++) {
        struct proxy_endpoint *endpoint = &service->endpoints[i];
        if (endpoint->draining || pick--)
            continue;
        JUDGE(picked, host, service, endpoint);
        struct sim_connection *connection = memory_alloc(sizeof *connection);
        connection->host = host;
        connection->next = host->connections;
        host->connections = connection;
        memcpy(connection->service, service->name, sizeof connection->service);
        memcpy(connection->endpoint, endpoint->id, sizeof connection->endpoint);
        loop_timer_init(&connection->end, world.loop, "connection", connection_over, connection);
        loop_timer_start(&connection->end, span);
        endpoint->in_flight++;
        return;
    }
}

/* Each turn: some connections come, deadlines of draining pass, figures are told now and then. */
static void turn(void *argument)
{
    struct host *host = argument;
    struct sim_proxy *proxy = &host->proxy;
    loop_timer_start(&proxy->turn, NS_PER_MS * draw_between(STREAM_TRAFFIC, 200, 1200));
    if (!proxy->up)
        return;
    for (uint32_t i = 0; i < proxy->now.count; i++) {
        struct proxy_table_service *service = &proxy->now.services[i];
        connect_one(host, service);
        for (uint32_t k = 0; k < service->count; k++) {
            struct proxy_endpoint *endpoint = &service->endpoints[k];
            if (!endpoint->draining || endpoint->told || now_ns() < endpoint->cut_at_ns)
                continue;
            uint64_t count = cut_connections(host, service->name, endpoint->id);
            endpoint->in_flight = 0;
            tell_drained(host, service->name, endpoint, count);
        }
    }
    if (draw(STREAM_TRAFFIC, 8) || !can_tell(host) || !proxy->now.count)
        return;
    const struct proxy_table_service *service = &proxy->now.services[0];
    for (uint32_t k = 0; k < service->count; k++) {
        const struct proxy_endpoint *endpoint = &service->endpoints[k];
        struct proxy_word word = {
            .kind = WORD_COUNTERS,
            .numbers = {endpoint->in_flight, endpoint->served, endpoint->failed}};
        memcpy(word.service, service->name, sizeof word.service);
        memcpy(word.endpoint, endpoint->id, sizeof word.endpoint);
        say(host, &word);
    }
}

/* -- the agent's end -- */

void proxy_feed_set_callbacks(struct proxy_feed *feed, const struct feed_callbacks *callbacks)
{
    host_of(feed)->proxy.callbacks = *callbacks;
}

void proxy_feed_service_put(struct proxy_feed *feed, const struct feed_service *service)
{
    struct host *host = host_of(feed);
    struct proxy_table *fed = &host->proxy.fed;
    struct proxy_table_service *to = find_service(fed, service->name);
    if (!to && fed->count < PROXY_SERVICES)
        to = &fed->services[fed->count++];
    if (!to)
        abort();
    JUDGE(fed, host, service);
    memset(to, 0, sizeof *to);
    snprintf(to->name, sizeof to->name, "%s", service->name);
    to->drain_timeout_ns = service->drain_timeout_ns;
    for (uint32_t i = 0; i < service->endpoint_count && i < PROXY_ENDPOINTS; i++) {
        const struct feed_endpoint *from = &service->endpoints[i];
        struct proxy_endpoint *endpoint = &to->endpoints[to->count++];
        snprintf(endpoint->id, sizeof endpoint->id, "%s", from->id);
        snprintf(endpoint->address, sizeof endpoint->address, "%s", from->address);
        endpoint->draining = from->state == FEED_DRAINING;
        endpoint->local = from->local;
        trace('P', "%s put %s %s %s %s", host->name, to->name, endpoint->id, endpoint->address,
              endpoint->draining ? "draining" : "active");
    }
}

void proxy_feed_service_remove(struct proxy_feed *feed, const char *name)
{
    struct host *host = host_of(feed);
    struct proxy_table *fed = &host->proxy.fed;
    struct proxy_table_service *service = find_service(fed, name);
    trace('P', "%s remove %s", host->name, name);
    if (service)
        memmove(service, service + 1,
                (size_t)(&fed->services[--fed->count] - service) * sizeof *service);
}

static void apply_soon(struct host *host)
{
    uint64_t delay = NS_PER_MS * draw_between(STREAM_PROXY, 1, 40);
    if (strikes(FAULT_PROXY_SLOW, STREAM_PROXY))
        delay += draw_around(STREAM_PROXY, NS_PER_SECOND);
    if (!loop_timer_armed(&host->proxy.apply))
        loop_timer_start(&host->proxy.apply, delay);
}

static void publish(struct host *host, uint64_t version)
{
    host->proxy.asked_version = version;
    if (!host->proxy.publish_asked)
        host->proxy.asked_ns = now_ns();
    host->proxy.publish_asked = true;
    if (host->proxy.up)
        apply_soon(host);
}

void proxy_feed_publish(struct proxy_feed *feed, uint64_t version)
{
    struct host *host = host_of(feed);
    trace('P', "%s publish %llu", host->name, (unsigned long long)version);
    host->proxy.has_table = true;
    publish(host, version);
}

void proxy_feed_withdraw(struct proxy_feed *feed, const char *endpoint, uint64_t version)
{
    struct host *host = host_of(feed);
    struct proxy_withdrawn *withdrawn = memory_alloc(sizeof *withdrawn);
    trace('P', "%s withdraw %s %llu", host->name, endpoint, (unsigned long long)version);
    snprintf(withdrawn->id, sizeof withdrawn->id, "%s", endpoint);
    withdrawn->next = host->proxy.withdrawn;
    host->proxy.withdrawn = withdrawn;
    publish(host, version);
}

/* -- the proxy's end -- */

static void begin_drain(const struct proxy_table_service *service, struct proxy_endpoint *endpoint)
{
    endpoint->draining = true;
    endpoint->told = false;
    endpoint->draining_since_ns = now_ns();
    endpoint->cut_at_ns = now_ns() + service->drain_timeout_ns;
}

/* What was there goes on where the new table has it too. */
static void take_over_endpoints(struct host *host, struct proxy_table_service *to,
                                struct proxy_table_service *from)
{
    for (uint32_t i = 0; i < to->count; i++) {
        struct proxy_endpoint *endpoint = &to->endpoints[i];
        struct proxy_endpoint *old = find_endpoint(from, endpoint->id);
        bool same = old && strcmp(old->address, endpoint->address) == 0;
        if (same) {
            endpoint->in_flight = old->in_flight;
            endpoint->served = old->served;
            endpoint->failed = old->failed;
        } else if (old) {
            (void)cut_connections(host, to->name, endpoint->id);
        }
        if (!endpoint->draining)
            continue;
        if (same && old->draining) {
            endpoint->draining_since_ns = old->draining_since_ns;
            endpoint->cut_at_ns = old->cut_at_ns;
            endpoint->told = old->told;
        } else {
            begin_drain(to, endpoint);
        }
    }
    for (uint32_t i = 0; from && i < from->count; i++)
        if (!find_endpoint(to, from->endpoints[i].id))
            (void)cut_connections(host, from->name, from->endpoints[i].id);
}

static void tell_listeners(struct host *host)
{
    for (uint32_t i = 0; i < host->proxy.now.count; i++) {
        struct proxy_word word = {.kind = WORD_LISTENER,
                                  .yes = !strikes(FAULT_PROXY_LISTENER, STREAM_PROXY)};
        if (!can_tell(host) || i >= host->proxy.now.count)
            return;
        memcpy(word.service, host->proxy.now.services[i].name, sizeof word.service);
        say(host, &word);
    }
}

static void tell_empty_drains(struct host *host)
{
    for (uint32_t i = 0; i < host->proxy.now.count; i++) {
        struct proxy_table_service *service = &host->proxy.now.services[i];
        for (uint32_t k = 0; k < service->count; k++)
            if (service->endpoints[k].draining && !service->endpoints[k].in_flight)
                tell_drained(host, service->name, &service->endpoints[k], 0);
    }
}

static void withdraw(struct proxy_table *table, const char *id)
{
    for (uint32_t i = 0; i < table->count; i++) {
        struct proxy_endpoint *endpoint = find_endpoint(&table->services[i], id);
        if (endpoint && !endpoint->draining)
            begin_drain(&table->services[i], endpoint);
    }
}

static void forget_withdrawn(struct sim_proxy *proxy)
{
    while (proxy->withdrawn) {
        struct proxy_withdrawn *next = proxy->withdrawn->next;
        free(proxy->withdrawn);
        proxy->withdrawn = next;
    }
}

static void take_table(struct host *host)
{
    struct sim_proxy *proxy = &host->proxy;
    static struct proxy_table old;
    old = proxy->now;
    proxy->now = proxy->fed;
    for (uint32_t i = 0; i < proxy->now.count; i++)
        take_over_endpoints(host, &proxy->now.services[i],
                            find_service(&old, proxy->now.services[i].name));
    for (uint32_t i = 0; i < old.count; i++)
        if (!find_service(&proxy->now, old.services[i].name))
            (void)cut_connections(host, old.services[i].name, NULL);
}

static void apply(void *argument)
{
    struct host *host = argument;
    struct sim_proxy *proxy = &host->proxy;
    if (!proxy->up || !proxy->publish_asked)
        return;
    if (proxy->has_table)
        take_table(host);
    for (struct proxy_withdrawn *at = proxy->withdrawn; at && !proxy->has_table; at = at->next)
        withdraw(&proxy->now, at->id);
    forget_withdrawn(proxy);
    uint64_t version = proxy->applied_version = proxy->asked_version;
    proxy->publish_asked = false;
    proxy->epoch++;
    trace('P', "%s has %llu", host->name, (unsigned long long)version);
    if (can_tell(host))
        say(host, &(struct proxy_word){.kind = WORD_ACKNOWLEDGED, .numbers = {version}});
    tell_listeners(host);
    tell_empty_drains(host);
}

/* -- life and trouble -- */

static void come_up(void *argument);

static void arm_trouble(struct host *host);

static void die(struct host *host, uint64_t away_ns)
{
    struct sim_proxy *proxy = &host->proxy;
    trace('P', "the proxy of %s dies", host->name);
    proxy->up = false;
    (void)cut_connections(host, NULL, NULL);
    memset(&proxy->now, 0, sizeof proxy->now);
    loop_timer_stop(&proxy->apply);
    loop_timer_stop(&proxy->restart);
    loop_timer_init(&proxy->restart, world.loop, "proxy up", come_up, host);
    loop_timer_start(&proxy->restart, away_ns);
    host->steady_since_ns = 0;
    tell_connected(host, false);
}

static void crash(void *argument)
{
    struct host *host = argument;
    world.hits[FAULT_PROXY_CRASH]++;
    die(host, NS_PER_MS * draw_between(STREAM_PROXY, 5, 3000));
}

static void arm_trouble(struct host *host)
{
    uint64_t rate = world.options.rates[FAULT_PROXY_CRASH];
    loop_timer_stop(&host->proxy.restart);
    loop_timer_init(&host->proxy.restart, world.loop, "proxy crash", crash, host);
    if (rate && faults_on())
        loop_timer_start(&host->proxy.restart,
                         NS_PER_SECOND + draw_around(STREAM_PROXY, rate * NS_PER_SECOND));
}

static void come_up(void *argument)
{
    struct host *host = argument;
    struct sim_proxy *proxy = &host->proxy;
    if (!process_runs(&host->process)) { /* its agent starts it: when there is one */
        loop_timer_init(&proxy->restart, world.loop, "proxy up", come_up, host);
        loop_timer_start(&proxy->restart, NS_PER_SECOND / 2);
        return;
    }
    arm_trouble(host);
    proxy->up = true;
    proxy->up_since_ns = now_ns();
    trace('P', "the proxy of %s is up", host->name);
    tell_connected(host, true);
    if (proxy->asked_version) {
        proxy->publish_asked = true; /* the feed sends everything again */
        apply_soon(host);
    }
}

void proxy_init(struct host *host)
{
    struct sim_proxy *proxy = &host->proxy;
    proxy->up = true;
    loop_timer_init(&proxy->apply, world.loop, "proxy table", apply, host);
    loop_timer_init(&proxy->turn, world.loop, "traffic", turn, host);
    loop_timer_init(&proxy->words_due, world.loop, "proxy word", words_arrive, host);
    loop_timer_start(&proxy->turn, NS_PER_SECOND);
    arm_trouble(host);
}

/* The proxy runs on with the table it has. */
void proxy_agent_died(struct host *host)
{
    struct sim_proxy *proxy = &host->proxy;
    memset(&proxy->fed, 0, sizeof proxy->fed);
    memset(&proxy->callbacks, 0, sizeof proxy->callbacks);
    proxy->asked_version = proxy->applied_version = 0;
    proxy->publish_asked = proxy->has_table = false;
    forget_withdrawn(proxy);
    forget_words(proxy);
    loop_timer_stop(&proxy->apply);
    for (uint32_t i = 0; i < proxy->now.count; i++) /* the next agent is owed the word again */
        for (uint32_t k = 0; k < proxy->now.services[i].count; k++)
            proxy->now.services[i].endpoints[k].told = false;
}

void proxy_heal(struct host *host)
{
    if (host->proxy.up)
        loop_timer_stop(&host->proxy.restart);
}

void proxy_host_died(struct host *host)
{
    die(host, host->boot_at_ns - now_ns() + NS_PER_MS * draw(STREAM_PROXY, 2000));
}
