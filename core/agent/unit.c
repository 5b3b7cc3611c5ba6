/* The state of one container on this node. `unit_look` is level-triggered: it compares what is
 * wanted with what is there and takes the next step. */
#include "agent/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct container_template *unit_template(const struct unit *unit)
{
    return &unit->template->data.template;
}

static void restart_due(void *argument);

struct unit *unit_create(struct agent *agent, const struct assigned_container *assigned)
{
    struct unit *unit = memory_alloc(sizeof *unit);
    unit->agent = agent;
    unit->phase = UNIT_UNKNOWN;
    unit->exit_code = NUMBER_NULL;
    unit->slot = assigned->slot;
    unit->revision = assigned->revision;
    unit->seq = assigned->seq;
    unit->incarnation = unit->wanted_incarnation = assigned->incarnation;
    unit->restarts = assigned->restarts;
    unit->intent = assigned->intent;
    snprintf(unit->id, sizeof unit->id, "%s", assigned->id);
    struct container holder = {.ports = assigned->ports}, copy;
    schema_copy(&container_type, &holder, &unit->arena, &copy);
    unit->ports = copy.ports;
    loop_timer_init(&unit->restart, agent->loop, "restart", restart_due, unit);
    HASH_ADD_STR(agent->units, id, unit);
    return unit;
}

void unit_destroy(struct unit *unit)
{
    struct agent *agent = unit->agent;
    call_unqueue(unit);
    health_destroy(unit->health);
    loop_timer_stop(&unit->restart);
    template_release(unit->template);
    arena_finish(&unit->arena);
    HASH_DEL(agent->units, unit);
    free(unit);
}

uint8_t unit_state(const struct unit *unit)
{
    switch (unit->phase) {
    case UNIT_UNKNOWN:
    case UNIT_NEW:
        if (unit->intent != ASSIGNED_RUN)
            return CONTAINER_STOPPING;
        return unit->template->image == IMAGE_PULLING ? CONTAINER_PULLING : CONTAINER_SCHEDULED;
    case UNIT_MAKING:
        return CONTAINER_CREATING;
    case UNIT_RUNNING:
        return CONTAINER_RUNNING;
    case UNIT_STOPPING:
    case UNIT_REMOVING:
        return CONTAINER_STOPPING;
    case UNIT_ENDED:
    case UNIT_VANISHED:
        return CONTAINER_EXITED;
    case UNIT_FAILED:
        return CONTAINER_FAILED;
    }
    return CONTAINER_PENDING;
}

static void set_ready(struct unit *unit, bool ready)
{
    unit->was_ready = ready;
    if (unit->ready == ready)
        return;
    unit->ready = ready;
    unit->ever_ready = unit->ever_ready || ready;
    table_unit_changed(unit);
    report_unit(unit);
    keep_save(unit->agent);
}

void unit_set(struct unit *unit, enum unit_phase phase, const char *reason, const char *message)
{
    unit->phase = phase;
    if (reason != unit->reason) /* given its own, it keeps it */
        snprintf(unit->reason, sizeof unit->reason, "%s", reason ? reason : "");
    if (message != unit->message)
        snprintf(unit->message, sizeof unit->message, "%s", message ? message : "");
    text_defuse(unit->message);
    if (phase != UNIT_RUNNING) {
        health_destroy(unit->health);
        unit->health = NULL;
        set_ready(unit, false);
    }
    report_unit(unit);
}

/* -- running -- */

/* Out of the local table first; once that is acknowledged it is stopped, then made anew. */
static void take_out(struct unit *unit)
{
    unit->stop_then_restart = true;
    set_ready(unit, false);
    table_drop(unit);
    report_unit(unit);
}

static void health_changed(void *argument)
{
    struct unit *unit = argument;
    const char *failure = health_failure(unit->health);
    bool ready = health_ready(unit->health);
    snprintf(unit->reason, sizeof unit->reason, "%s", failure ? failure : ready ? "" : "NotReady");
    snprintf(unit->message, sizeof unit->message, "%s", ready ? "" : health_message(unit->health));
    if (failure) {
        take_out(unit);
        LOG_WARN("a probe failed; the container is restarted", LOG_STR("container", unit->id),
                 LOG_STR("reason", failure), LOG_STR("message", unit->message));
    }
    if (!unit->stop_then_restart)
        set_ready(unit, ready);
    report_unit(unit);
    unit_look(unit);
}

static void begin_health(struct unit *unit)
{
    if (unit->health || !unit->address[0] || unit->phase != UNIT_RUNNING)
        return;
    const struct health_config config = {.loop = unit->agent->loop,
                                         .http = unit->agent->config.http,
                                         .runtime = unit->agent->runtime,
                                         .template = unit_template(unit),
                                         .address = unit->address,
                                         .runtime_id = unit->runtime_id,
                                         .figures = &unit->agent->probes,
                                         .was_ready = unit->was_ready,
                                         .changed = health_changed,
                                         .argument = unit};
    unit->health = health_create(&config);
    if (!unit->stop_then_restart)
        set_ready(unit, health_ready(unit->health));
}

/* How long it has run, as far as the wall clock tells: it may have begun before we did. */
static uint64_t ran_since(struct unit *unit, int64_t until_ms)
{
    int64_t ran_ms = unit->started_at_ms ? until_ms - unit->started_at_ms : 0;
    return ran_ms > 0 ? (uint64_t)ran_ms * NS_PER_MS : 0;
}

static void note_running(struct unit *unit)
{
    struct loop *loop = unit->agent->loop;
    unit->running_since_ns = loop_now_ns(loop) - ran_since(unit, loop_wall_ms(loop));
}

void unit_made(struct unit *unit, const struct orch_started *started)
{
    struct agent *agent = unit->agent;
    unit->start_failures = unit->call_failures = 0;
    unit->name_taken = false;
    unit->running_since_ns = loop_now_ns(agent->loop);
    unit->started_at_ms =
        started->started_at_ms ? started->started_at_ms : loop_wall_ms(agent->loop);
    unit->finished_at_ms = unit->next_start_at_ms = 0;
    unit->exit_code = NUMBER_NULL;
    unit->ever_ready = unit->was_ready = unit->end_told = false;
    unit->let_go = false;
    unit->changed_list = agent->list_count;
    unit->address[0] = 0;
    if (started->address.len)
        snprintf(unit->address, sizeof unit->address, "%.*s", (int)started->address.len,
                 started->address.ptr);
    unit_set(unit, UNIT_RUNNING, "", "");
    begin_health(unit);
    if (!unit->address[0])
        observe_want_list(agent);
    else if (unit->touched)
        observe_one(agent, unit->runtime_id);
    unit_look(unit);
}

/* -- ending -- */

static void begin_anew(struct unit *unit)
{
    if (unit->previous_id[0])
        stray_remove(unit->agent, unit->previous_id, false);
    memcpy(unit->previous_id, unit->runtime_id, sizeof unit->previous_id);
    unit->runtime_id[0] = unit->address[0] = 0;
    unit->incarnation++;
    if (unit->wanted_incarnation > unit->incarnation)
        unit->incarnation = unit->wanted_incarnation;
    unit->wanted_incarnation = unit->incarnation;
    unit->next_start_at_ms = 0;
    unit->stop_then_restart = unit->gone_said = false;
    loop_timer_stop(&unit->restart);
    unit->saved_by = keep_save(unit->agent);
    unit_set(unit, UNIT_NEW, unit->reason, unit->message);
    unit_look(unit);
}

static void restart_due(void *argument)
{
    struct unit *unit = argument;
    if (unit->phase == UNIT_ENDED && unit->intent == ASSIGNED_RUN) {
        unit->restarts++;
        begin_anew(unit);
    } else {
        unit_look(unit); /* a call that failed is tried again */
    }
}

void unit_revive(struct unit *unit)
{
    begin_anew(unit);
}

static bool policy_restarts(const struct unit *unit)
{
    switch ((enum restart_condition)unit_template(unit)->restart_policy.condition) {
    case RESTART_ALWAYS:
        return true;
    case RESTART_ON_FAILURE:
        return unit->exit_code != 0;
    case RESTART_NEVER:
        return false;
    }
    return true;
}

static void wait_for_restart(struct unit *unit, uint64_t wait_ns)
{
    struct loop *loop = unit->agent->loop;
    unit->next_start_at_ms = loop_wall_ms(loop) + (int64_t)(wait_ns / NS_PER_MS);
    keep_save(unit->agent); /* a restart of ours must not forget it */
    loop_timer_start(&unit->restart, wait_ns);
}

static void restart_by_policy(struct unit *unit, const char *reason, const char *message)
{
    const struct container_template *template = unit_template(unit);
    struct loop *loop = unit->agent->loop;
    struct backoff_end end = {.ran_ns = loop_now_ns(loop) - unit->running_since_ns,
                              .was_ready = unit->ever_ready,
                              .has_probe = template->readiness_probe || template->startup_probe,
                              .random = loop_random(loop)};
    if (!policy_restarts(unit)) {
        unit_set(unit, UNIT_FAILED, reason, message);
        keep_save(unit->agent);
        return;
    }
    uint64_t wait_ns = backoff_next(&unit->backoff, &template->restart_policy, &end);
    unit_set(unit, UNIT_ENDED, wait_ns ? "CrashLoop" : reason, message);
    if (!wait_ns) {
        unit->restarts++;
        begin_anew(unit);
        return;
    }
    wait_for_restart(unit, wait_ns);
}

/* Its process ended by itself. Its address leaves the local table before anything else is made. */
static void ended(struct unit *unit, const struct orch_container_view *view)
{
    bool oom = view->flags & ORCH_CONTAINER_OOM;
    char message[120], reason[sizeof unit->reason];
    snprintf(reason, sizeof reason, "%s",
             oom                       ? "OOMKilled"
             : unit->stop_then_restart ? unit->reason
                                       : "Exited");
    unit->exit_code = view->flags & ORCH_CONTAINER_HAS_EXIT_CODE ? view->exit_code : NUMBER_NULL;
    unit->finished_at_ms =
        view->finished_at_ms ? view->finished_at_ms : loop_wall_ms(unit->agent->loop);
    if (unit->exit_code == NUMBER_NULL)
        snprintf(message, sizeof message, "its process ended; the engine does not know its code");
    else
        snprintf(message, sizeof message, "its process ended with code %lld%s",
                 (long long)unit->exit_code, oom ? ": it ran out of memory" : "");
    unit->changed_list = unit->agent->list_count;
    if (!unit->running_since_ns) { /* it ended while we were away */
        unit->started_at_ms = view->started_at_ms ? view->started_at_ms : unit->started_at_ms;
        unit->running_since_ns =
            loop_now_ns(unit->agent->loop) - ran_since(unit, unit->finished_at_ms);
        unit->ever_ready = unit->was_ready;
    }
    report_end(unit, view, reason);
    table_drop(unit);
    if (unit->intent == ASSIGNED_RUN)
        restart_by_policy(unit, reason, message);
    else
        unit_set(unit, UNIT_ENDED, reason, message);
    unit_look(unit);
}

/* It had ended before our own restart, and the server knows: what is left of its wait goes on. */
static void ended_before(struct unit *unit)
{
    struct agent *agent = unit->agent;
    int64_t left_ms = unit->next_start_at_ms - loop_wall_ms(agent->loop);
    uint64_t longest_ns = unit_template(unit)->restart_policy.max_backoff_ns;
    if (unit->backoff.wait_ns && unit->backoff.wait_ns < longest_ns)
        longest_ns = unit->backoff.wait_ns; /* the wall clock may have gone back meanwhile */
    uint64_t wait_ns = left_ms > 0 ? (uint64_t)left_ms * NS_PER_MS : 0;
    unit->changed_list = agent->list_count;
    unit_set(unit, UNIT_ENDED, unit->next_start_at_ms ? "CrashLoop" : "Exited", "");
    if (unit->intent == ASSIGNED_RUN)
        wait_for_restart(unit, wait_ns < longest_ns ? wait_ns : longest_ns);
}

/* Is this view older than what is known here? Lists begun before a change may still say what was.
 */
static bool is_stale(const struct unit *unit, bool running, uint64_t list)
{
    switch (unit->phase) {
    case UNIT_MAKING:
    case UNIT_STOPPING:
    case UNIT_REMOVING:
        return true; /* the call under way will say */
    case UNIT_VANISHED:
        return true; /* reported as gone */
    case UNIT_ENDED:
    case UNIT_FAILED:
        return running && list <= unit->changed_list;
    case UNIT_RUNNING:
        return !running && list && list <= unit->changed_list;
    case UNIT_UNKNOWN:
    case UNIT_NEW:
        return false;
    }
    return false;
}

static void take_address(struct unit *unit, const struct orch_container_view *view)
{
    char address[sizeof unit->address];
    snprintf(address, sizeof address, "%.*s", (int)view->address.len,
             view->address.len ? view->address.ptr : "");
    if (!address[0] || strcmp(address, unit->address) == 0)
        return;
    memcpy(unit->address, address, sizeof unit->address);
    health_destroy(unit->health); /* it probed another address */
    unit->health = NULL;
    table_unit_changed(unit);
    report_unit(unit);
}

void unit_observe(struct unit *unit, const struct orch_container_view *view, uint64_t list)
{
    bool running = view->state == ORCH_CONTAINER_RUNNING;
    if (is_stale(unit, running, list))
        return;
    snprintf(unit->runtime_id, sizeof unit->runtime_id, "%.*s", (int)view->runtime_id.len,
             view->runtime_id.ptr);
    if (running && unit->phase != UNIT_RUNNING) {
        if (view->started_at_ms)
            unit->started_at_ms = view->started_at_ms;
        note_running(unit);
        loop_timer_stop(&unit->restart);
        unit->ever_ready = unit->was_ready;
        unit->finished_at_ms = unit->next_start_at_ms = 0;
        unit->exit_code = NUMBER_NULL;
        unit->end_told = false;
        unit->phase = UNIT_RUNNING;
        unit->reason[0] = unit->message[0] = 0;
        report_unit(unit);
    }
    if (running) {
        take_address(unit, view);
        begin_health(unit);
    } else if (view->state == ORCH_CONTAINER_EXITED && unit->phase == UNIT_UNKNOWN &&
               unit->end_told)
        ended_before(unit);
    else if (view->state == ORCH_CONTAINER_EXITED &&
             (unit->phase == UNIT_RUNNING || unit->phase == UNIT_UNKNOWN))
        ended(unit, view);
    else if (unit->phase == UNIT_UNKNOWN)
        unit_set(unit, UNIT_NEW, "", ""); /* made, but never started: making it again adopts it */
    unit_look(unit);
}

static void removed_behind_our_back(struct unit *unit)
{
    unit->runtime_id[0] = 0;
    if (unit->intent != ASSIGNED_RUN) {
        unit_set(unit, UNIT_ENDED, "ContainerRemoved", "removed behind our back");
        return;
    }
    LOG_WARN("a container was removed behind our back", LOG_STR("container", unit->id));
    loop_timer_stop(&unit->restart);
    unit_set(unit, UNIT_VANISHED, "ContainerRemoved", "removed behind our back");
    unit->exit_code = NUMBER_NULL;
    if (!unit->agent->link) /* nobody to make another: this one is made anew */
        begin_anew(unit);
    else
        unit->saved_by = keep_save(unit->agent);
}

void unit_absent(struct unit *unit)
{
    switch (unit->phase) {
    case UNIT_UNKNOWN:
        unit->runtime_id[0] = 0;
        unit_set(unit, UNIT_NEW, "", "");
        break;
    case UNIT_RUNNING:
        table_drop(unit);
        unit->address[0] = 0;
        removed_behind_our_back(unit);
        break;
    case UNIT_ENDED: /* killed before it was removed: what it waited for no longer counts */
        removed_behind_our_back(unit);
        break;
    case UNIT_FAILED:
        unit->runtime_id[0] = 0; /* nothing is left to remove */
        break;
    case UNIT_NEW:
    case UNIT_MAKING:
    case UNIT_STOPPING:
    case UNIT_REMOVING:
    case UNIT_VANISHED:
        break;
    }
    unit_look(unit);
}

/* Ours by its labels and not running. One of another specification is in the way: it is removed,
 * and this one made. */
void unit_take_namesake(struct unit *unit, const char *runtime_id, bool same_spec)
{
    snprintf(unit->runtime_id, sizeof unit->runtime_id, "%s", runtime_id);
    unit->name_taken = false;
    unit->adopted = same_spec;
    loop_timer_stop(&unit->restart);
    if (same_spec)
        unit_look(unit);
    else
        call_queue(unit, CALL_REMOVE);
}

/* -- results of calls -- */

void unit_make_failed(struct unit *unit, orch_status status, const char *message)
{
    uint64_t wait_ns = NS_PER_SECOND / 2;
    for (uint32_t i = 0; i < unit->start_failures && wait_ns < 30 * NS_PER_SECOND; i++)
        wait_ns *= 2;
    unit->start_failures++;
    if (status == ORCH_E_NOT_FOUND)
        unit->template->image = IMAGE_UNKNOWN; /* the image went away: resolve it again */
    if (status == ORCH_E_UNAVAILABLE)
        agent_runtime_is(unit->agent, false, message);
    unit_set(unit, UNIT_NEW,
             status == ORCH_E_UNAVAILABLE ? "RuntimeUnavailable"
             : unit->name_taken           ? "NameTaken"
                                          : "StartFailed",
             message);
    unit->next_start_at_ms = loop_wall_ms(unit->agent->loop) + (int64_t)(wait_ns / NS_PER_MS);
    loop_timer_start(&unit->restart, wait_ns);
    observe_want_list(unit->agent);
}

void unit_stopped(struct unit *unit)
{
    if (unit->intent != ASSIGNED_RUN || !unit->stop_then_restart) {
        unit_set(unit, UNIT_ENDED, "Stopped", "");
        unit_look(unit);
        return;
    }
    unit->finished_at_ms = loop_wall_ms(unit->agent->loop);
    bool asked = unit->wanted_incarnation > unit->incarnation;
    unit->changed_list = unit->agent->list_count;
    unit->call_failures = 0;
    if (asked) {
        unit->backoff.wait_ns = 0; /* a user's wish waits for nothing */
        unit_set(unit, UNIT_ENDED, "Restarted", "");
        begin_anew(unit);
    } else {
        struct orch_container_view view = {.size = sizeof view};
        report_end(unit, &view, unit->reason);
        restart_by_policy(unit, unit->reason, unit->message);
    }
}

void unit_removed(struct unit *unit)
{
    struct agent *agent = unit->agent;
    unit->runtime_id[0] = 0;
    if (unit->intent != ASSIGNED_STOP) { /* wanted again? not by this server; made anew if so */
        unit_set(unit, UNIT_NEW, "", "");
        unit_look(unit);
        return;
    }
    char id[sizeof unit->id];
    memcpy(id, unit->id, sizeof id);
    unit_destroy(unit);
    report_gone(agent, id);
}

/* -- the next step -- */

static void look_new(struct unit *unit)
{
    struct agent *agent = unit->agent;
    if (unit->intent == ASSIGNED_STOP && loop_timer_armed(&unit->restart) && unit->call_failures)
        return; /* the last try failed */
    if (unit->intent == ASSIGNED_STOP) {
        /* A start whose answer was lost may have left one that runs: it is owed its signal. A
         * create may have left one that is found by a list. */
        call_queue(unit, unit->runtime_id[0] ? CALL_STOP : CALL_REMOVE);
        return;
    }
    if (unit->intent == ASSIGNED_DRAIN || loop_timer_armed(&unit->restart))
        return;
    if (!agent->runtime_up || agent->save_done < unit->saved_by || !table_passed(unit) ||
        !table_addresses_free(agent))
        return; /* looked at again when that changes */
    if (image_resolved(unit->template))
        call_queue(unit, CALL_MAKE);
}

static void look_running(struct unit *unit)
{
    bool restart = unit->stop_then_restart || unit->wanted_incarnation > unit->incarnation;
    if (loop_timer_armed(&unit->restart))
        return; /* the last try failed */
    if (unit->intent == ASSIGNED_STOP) {
        /* A server that could not wait for this proxy (it did not count) leaves that to us. */
        if (!unit->let_go)
            table_drop(unit);
        unit->let_go = true;
        if (table_passed(unit))
            call_queue(unit, CALL_STOP);
        return;
    }
    if (!restart || unit->intent != ASSIGNED_RUN)
        return;
    if (!unit->stop_then_restart)
        take_out(unit);
    if (table_passed(unit))
        call_queue(unit, CALL_STOP);
}

void unit_look(struct unit *unit)
{
    if (unit->call)
        return; /* its end looks again */
    switch (unit->phase) {
    case UNIT_UNKNOWN:
        return;
    case UNIT_NEW:
        look_new(unit);
        return;
    case UNIT_RUNNING:
        look_running(unit);
        return;
    case UNIT_ENDED:
    case UNIT_FAILED:
        if (unit->intent == ASSIGNED_STOP &&
            !(unit->call_failures && loop_timer_armed(&unit->restart)))
            call_queue(unit, CALL_REMOVE);
        else if (unit->wanted_incarnation > unit->incarnation && unit->intent == ASSIGNED_RUN) {
            unit->backoff.wait_ns = 0;
            begin_anew(unit);
        }
        return;
    case UNIT_VANISHED:
        if (unit->intent == ASSIGNED_STOP)
            call_queue(unit, CALL_REMOVE);
        return;
    case UNIT_MAKING:
    case UNIT_STOPPING:
    case UNIT_REMOVING:
        return;
    }
}
