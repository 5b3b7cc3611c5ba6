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

struct template *template_put(struct agent *agent, const struct assigned_template *data)
{
    struct template *template = template_find(agent, data->id);
    if (template)
        return template;
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

void template_release(struct template *template)
{
    if (!template || --template->users)
        return;
    /* A pull under way finds it gone by name. */
    loop_timer_stop(&template->retry);
    HASH_DEL(template->agent->templates, template);
    arena_finish(&template->arena);
    free(template->pinned);
    free(template->digest);
    free(template);
}

struct pull_note {
    struct agent *agent;
    char id[96];
};

static void pull_failed(struct template *template, orch_status status, const char *message)
{
    struct agent *agent = template->agent;
    uint64_t wait_ns = NS_PER_SECOND;
    for (uint32_t i = 0; i < template->failures && wait_ns < 60 * NS_PER_SECOND; i++)
        wait_ns *= 2;
    template->failures++;
    template->image = IMAGE_FAILED;
    snprintf(template->reason, sizeof template->reason, "%s",
             status == ORCH_E_UNAVAILABLE || status == ORCH_E_TIMEOUT ? "RuntimeUnavailable"
                                                                      : "ImagePullFailed");
    snprintf(template->message, sizeof template->message, "%s: %.180s",
             template->data.template.image, message);
    loop_timer_start(&template->retry, wait_ns);
    struct unit *unit, *next;
    HASH_ITER(hh, agent->units, unit, next)
    {
        if (unit->template == template && unit->phase == UNIT_NEW)
            unit_set(unit, UNIT_NEW, template->reason, template->message);
    }
    if (status == ORCH_E_UNAVAILABLE || status == ORCH_E_TIMEOUT)
        agent_runtime_is(agent, false, message);
}

static void pulled(void *argument, orch_status status, const struct error *error,
                   const struct orch_image *image)
{
    struct pull_note *note = argument;
    struct agent *agent = note->agent;
    struct template *template = template_find(agent, note->id);
    free(note);
    if (!template)
        return;
    if (status != ORCH_OK) {
        pull_failed(template, status, error->message);
        return;
    }
    template->image = IMAGE_RESOLVED;
    template->failures = 0;
    free(template->pinned);
    free(template->digest);
    template->pinned = memory_strdup(image->image.ptr);
    template->digest = memory_strdup(image->digest.ptr);
    template->to_report = true;
    report_arrange(agent);
    agent_look_all(agent);
}

static uint32_t policy_of(const struct template *template)
{
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

bool image_resolved(struct template *template)
{
    struct agent *agent = template->agent;
    if (template->image == IMAGE_RESOLVED)
        return true;
    if (template->image != IMAGE_UNKNOWN)
        return false;
    struct pull_note *note = memory_alloc(sizeof *note);
    note->agent = agent;
    snprintf(note->id, sizeof note->id, "%s", template->id);
    /* A revision is pinned once: all its containers run the very same image. */
    const char *image =
        template->data.image_pinned ? template->data.image_pinned : template->data.template.image;
    uint32_t policy = template->data.image_pinned ? ORCH_PULL_MISSING : policy_of(template);
    template->image = IMAGE_PULLING;
    runtime_pull(agent->runtime, image, policy, loop_now_ns(agent->loop) + 1800 * NS_PER_SECOND,
                 NULL, pulled, note);
    return false;
}
