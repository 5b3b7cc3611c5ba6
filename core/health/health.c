#include "health/impl.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct probe *probe_of(const struct container_template *template, enum probe_role role)
{
    switch (role) {
    case ROLE_STARTUP:
        return template->startup_probe;
    case ROLE_LIVENESS:
        return template->liveness_probe;
    case ROLE_READINESS:
        return template->readiness_probe;
    case ROLE_COUNT:
        break;
    }
    return NULL;
}

static void try_now(void *argument);

static void schedule(struct prober *prober, uint64_t delay_ns)
{
    prober->timer.fire = try_now;
    loop_timer_start(&prober->timer, delay_ns);
}

/* A tenth of the interval is drawn, so that replicas are not all probed at one instant. */
static uint64_t interval(struct prober *prober)
{
    uint64_t interval_ns = prober->probe->interval_ns;
    return interval_ns - interval_ns / 20 +
           loop_random(prober->health->config.loop) % (interval_ns / 10 + 1);
}

static void stop_attempt(struct prober *prober)
{
    struct attempt *attempt = prober->attempt;
    prober->attempt = NULL;
    if (!attempt)
        return;
    if (prober->probe->http)
        probe_http_stop(attempt);
    else if (prober->probe->tcp)
        probe_tcp_stop(attempt);
    else
        probe_exec_stop(attempt);
}

static void tell(void *argument)
{
    struct health *health = argument;
    health->config.changed(health->config.argument);
}

static void begin(struct health *health, enum probe_role role)
{
    struct prober *prober = &health->probers[role];
    if (prober->probe)
        schedule(prober, prober->probe->initial_delay_ns);
}

static void verdict_changed(struct prober *prober)
{
    struct health *health = prober->health;
    if (prober->role == ROLE_READINESS)
        health->held_ready = false;
    if (prober->role == ROLE_STARTUP && prober->state.verdict == PROBE_PASSED) {
        begin(health, ROLE_LIVENESS);
        begin(health, ROLE_READINESS);
    }
    loop_timer_start(&health->tell, 0);
}

void prober_result(struct prober *prober, const char *message)
{
    prober->attempt = NULL;
    loop_timer_stop(&prober->timer);
    snprintf(prober->message, sizeof prober->message, "%s", message ? message : "");
    text_defuse(prober->message);
    struct probe_figures *figures = prober->health->config.figures;
    if (figures)
        (message ? figures->failed : figures->passed)[prober->role]++;
    if (probe_state_take(&prober->state, prober->probe, message == NULL))
        verdict_changed(prober);
    else if (message && prober->state.verdict == PROBE_UNKNOWN && prober->state.failures == 1)
        loop_timer_start(&prober->health->tell, 0); /* why it isn't ready, before it is judged */
    bool startup_over = prober->role == ROLE_STARTUP && prober->state.verdict != PROBE_UNKNOWN;
    if (!startup_over)
        schedule(prober, interval(prober));
}

static void timed_out(void *argument)
{
    struct prober *prober = argument;
    char message[PROBE_MESSAGE_BYTES], timeout[CLOCK_TEXT_BYTES];
    stop_attempt(prober);
    snprintf(message, sizeof message, "no answer within %s",
             clock_format_duration_ns(prober->probe->timeout_ns, timeout));
    prober_result(prober, message);
}

static void try_now(void *argument)
{
    struct prober *prober = argument;
    prober->timer.fire = timed_out;
    loop_timer_start(&prober->timer, prober->probe->timeout_ns);
    if (prober->probe->http)
        prober->attempt = probe_http_start(prober);
    else if (prober->probe->tcp)
        prober->attempt = probe_tcp_start(prober);
    else
        prober->attempt = probe_exec_start(prober);
}

uint16_t prober_port(const struct prober *prober, const struct port_ref *ref)
{
    const struct container_port *port;
    if (ref->number)
        return ref->number;
    port = template_port(prober->health->config.template, ref);
    return port ? (uint16_t)port->number : 0;
}

struct health *health_create(const struct health_config *config)
{
    struct health *health = memory_alloc(sizeof *health);
    health->config = *config;
    health->held_ready = config->was_ready && config->template->readiness_probe;
    snprintf(health->address, sizeof health->address, "%s", config->address);
    snprintf(health->runtime_id, sizeof health->runtime_id, "%s", config->runtime_id);
    loop_timer_init(&health->tell, config->loop, "health", tell, health);
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct prober *prober = &health->probers[role];
        prober->health = health;
        prober->role = (enum probe_role)role;
        prober->probe = probe_of(config->template, prober->role);
        probe_state_init(&prober->state);
        loop_timer_init(&prober->timer, config->loop, "probe", try_now, prober);
    }
    if (config->template->startup_probe && !config->was_ready) {
        begin(health, ROLE_STARTUP);
        return health;
    }
    health->probers[ROLE_STARTUP].state.verdict = PROBE_PASSED;
    begin(health, ROLE_LIVENESS);
    begin(health, ROLE_READINESS);
    return health;
}

void health_destroy(struct health *health)
{
    if (!health)
        return;
    for (int role = 0; role < ROLE_COUNT; role++) {
        if (health->probers[role].probe)
            stop_attempt(&health->probers[role]);
        loop_timer_stop(&health->probers[role].timer);
    }
    loop_timer_stop(&health->tell);
    free(health);
}

bool health_ready(const struct health *health)
{
    const struct prober *startup = &health->probers[ROLE_STARTUP];
    const struct prober *readiness = &health->probers[ROLE_READINESS];
    if (startup->probe && startup->state.verdict != PROBE_PASSED)
        return false;
    return !readiness->probe || health->held_ready || readiness->state.verdict == PROBE_PASSED;
}

const char *health_failure(const struct health *health)
{
    const struct prober *startup = &health->probers[ROLE_STARTUP];
    const struct prober *liveness = &health->probers[ROLE_LIVENESS];
    if (startup->probe && startup->state.verdict == PROBE_FAILED)
        return "StartupFailed";
    if (liveness->probe && liveness->state.verdict == PROBE_FAILED)
        return "LivenessFailed";
    return NULL;
}

const char *health_message(const struct health *health)
{
    for (int role = 0; role < ROLE_COUNT; role++)
        if (health->probers[role].message[0])
            return health->probers[role].message;
    return "";
}
