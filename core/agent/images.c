/* Templates and their images: one pull per template at a time, what it resolved to is pinned. */
#include "agent/impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct template *template_find(struct agent *agent, const char *id)
{
    struct template *template = NULL;
    HASH_FIND_STR(agent->templates, id, template);
    return template;
}

static void retry(void *argument)
{
    struct template *template = argument;
    template->image = IMAGE_UNKNOWN;
    agent_look_all(template->agent);
}

/* What the server has learnt since: the very image that another node resolved it to. */
static void take_pin(struct template *template, const char *pinned)
{
    if (!pinned || template->data.image_pinned || template->image == IMAGE_RESOLVED)
        return;
    template->data.image_pinned = arena_strdup(&template->arena, pinned);
    free(template->pinned);
    template->pinned = memory_strdup(pinned);
    if (template->image == IMAGE_PULLING)
        template->image = IMAGE_UNKNOWN; /* the pull under way is of what was wanted before */
}

struct template *template_put(struct agent *agent, const struct assigned_template *data)
{
    struct template *template = template_find(agent, data->id);
    if (template) {
        take_pin(template, data->image_pinned);
        return template;
    }
    template = memory_alloc(sizeof *template);
    template->agent = agent;
    template->image = IMAGE_UNKNOWN;
    snprintf(template->id, sizeof template->id, "%s", data->id);
    schema_copy(&assigned_template_type, data, &template->arena, &template->data);
    template->pinned = memory_strdup(data->image_pinned);
    loop_timer_init(&template->retry, agent->loop, "pull retry", retry, template);
    HASH_ADD_STR(agent->templates, id, template);
    return template;
}

static void template_free(struct template *template)
{
    loop_timer_stop(&template->retry);
    HASH_DEL(template->agent->templates, template);
    arena_finish(&template->arena);
    free(template->pinned);
    free(template->digest);
    free(template);
}

/* A pull under way finds it gone by its image. */
void template_release(struct template *template)
{
    if (template && !--template->users)
        template_free(template);
}

/* A pull, once, that is answered for whichever way it ends. */
void template_hold(struct agent *agent, const struct assigned_template *data)
{
    struct template *template = template_put(agent, data);
    if (template->image == IMAGE_RESOLVED) {
        template->to_report = true;
        report_arrange(agent);
    }
    if (template->held)
        return;
    template->held = true;
    template->users++;
}

void template_answered(struct template *template)
{
    bool over = template->image == IMAGE_RESOLVED || template->image == IMAGE_FAILED;
    if (!template->held || !over)
        return;
    template->held = false;
    template_release(template);
}

void template_look_held(struct agent *agent)
{
    struct template *template, *next;
    HASH_ITER(hh, agent->templates, template, next)
    {
        if (template->held)
            (void)image_resolved(template);
    }
}

void template_free_all(struct agent *agent)
{
    struct template *template, *next;
    HASH_ITER(hh, agent->templates, template, next)
    {
        template_free(template);
    }
}

/* -- pulling: one pull at a time for an image under a policy, whoever wants it -- */

struct pull_note {
    struct pending pending; /* first */
    uint32_t policy;
    char image[];
};

static uint32_t policy_of(const struct template *template)
{
    if (template->data.image_pinned) /* all containers of a revision run the very same image */
        return ORCH_PULL_MISSING;
    switch ((enum image_pull) template->data.template.image_pull) {
    case IMAGE_PULL_MISSING:
        return ORCH_PULL_MISSING;
    case IMAGE_PULL_ALWAYS:
        return ORCH_PULL_ALWAYS;
    case IMAGE_PULL_NEVER:
        return ORCH_PULL_NEVER;
    }
    return ORCH_PULL_MISSING;
}

static const char *wanted_image(const struct template *template)
{
    return template->data.image_pinned ? template->data.image_pinned
                                       : template->data.template.image;
}

static bool is_pulling(const struct template *template, const char *image, uint32_t policy)
{
    return template->image == IMAGE_PULLING && policy_of(template) == policy &&
           strcmp(wanted_image(template), image) == 0;
}

/* Tells the units that wait for it: their reported state follows the image's. */
static void tell_units(struct template *template, const char *reason, const char *message)
{
    struct unit *unit, *next;
    HASH_ITER(hh, template->agent->units, unit, next)
    {
        if (unit->template == template && unit->phase == UNIT_NEW)
            unit_set(unit, UNIT_NEW, *reason ? reason : unit->reason,
                     *reason ? message : unit->message);
    }
}

static void pull_failed(struct template *template, orch_status status, const char *message)
{
    struct agent *agent = template->agent;
    uint64_t wait_ns = NS_PER_SECOND;
    for (uint32_t i = 0; i < template->failures && wait_ns < 60 * NS_PER_SECOND; i++)
        wait_ns *= 2;
    bool engine = status == ORCH_E_UNAVAILABLE || status == ORCH_E_TIMEOUT; /* or the registry? */
    template->failures++;
    template->image = IMAGE_FAILED;
    template->refused = !engine;
    template->to_report = true;
    snprintf(template->reason, sizeof template->reason, "ImagePullFailed");
    snprintf(template->message, sizeof template->message, "%s: %.180s",
             template->data.template.image, message);
    loop_timer_start(&template->retry, wait_ns - loop_random(agent->loop) % (wait_ns / 8));
    tell_units(template, template->reason, template->message);
    if (engine && !loop_timer_armed(&agent->info_timer))
        loop_timer_start(&agent->info_timer, 0);
}

static void pull_done(struct template *template, const struct orch_image *image)
{
    template->image = IMAGE_RESOLVED;
    template->failures = 0;
    template->reason[0] = template->message[0] = 0;
    free(template->pinned);
    free(template->digest);
    template->pinned = memory_strdup(image->image.ptr);
    template->digest = memory_strdup(image->digest.ptr);
    template->to_report = true;
}

static void pulled(void *argument, orch_status status, const struct error *error,
                   const struct orch_image *image)
{
    struct pull_note *note = argument;
    struct agent *agent = note->pending.agent;
    struct template *template, *next;
    pending_end(&note->pending);
    HASH_ITER(hh, agent->templates, template, next)
    {
        if (!is_pulling(template, note->image, note->policy))
            continue;
        if (status == ORCH_OK)
            pull_done(template, image);
        else
            pull_failed(template, status, error->message);
    }
    free(note);
    report_arrange(agent);
    agent_look_all(agent);
}

static void start_pull(struct agent *agent, const char *image, uint32_t policy)
{
    struct pull_note *note = memory_alloc(sizeof *note + strlen(image) + 1);
    strcpy(note->image, image);
    note->policy = policy;
    pending_add(agent, &note->pending);
    note->pending.call =
        runtime_pull(agent->runtime, image, policy, loop_now_ns(agent->loop) + 1800 * NS_PER_SECOND,
                     NULL, pulled, note);
}

bool image_resolved(struct template *template)
{
    struct agent *agent = template->agent;
    struct template *other, *next;
    const char *image = wanted_image(template);
    uint32_t policy = policy_of(template);
    bool under_way = false;
    if (template->image == IMAGE_RESOLVED)
        return true;
    if (template->image != IMAGE_UNKNOWN)
        return false;
    HASH_ITER(hh, agent->templates, other, next)
    {
        under_way = under_way || is_pulling(other, image, policy);
    }
    template->image = IMAGE_PULLING;
    if (!under_way)
        start_pull(agent, image, policy);
    tell_units(template, template->reason, template->message);
    return false;
}
