#include "unit/deployment/rollouts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

void rollout_begin(void)
{
    rig_begin();
    rig_add_node("node-1", 8000, "a");
    rig_add_node("node-2", 8000, "b");
}

void expect_phase(uint8_t phase)
{
    struct deployment_status status = rig_status("web");
    cr_assert_eq(status.phase, phase, "phase %d: %s %s; %lld current %lld available", status.phase,
                 status.reason, status.message, (long long)status.current,
                 (long long)status.available);
}

void complete(const struct deployment *wanted)
{
    cr_assert_eq(rig_write(wanted), ERROR_NONE, "%s", rig.error.message);
    rig_run_ms(15000);
    expect_phase(PHASE_COMPLETE);
}

bool exists_of(int64_t revision)
{
    const struct container *container = NULL;
    while ((container = container_manager_next(rig.server->containers, "web", container)))
        if (container->revision == revision)
            return true;
    return false;
}

struct deployment *impatient(const char *image, int64_t replicas)
{
    struct deployment *wanted = rig_deployment("web", image, replicas);
    wanted->rollout.progress_deadline_ns = 10 * NS_PER_SECOND;
    return wanted;
}

void spoil(const char *image)
{
    rig.nodes[0].bad_image = rig.nodes[1].bad_image = image;
}

void set_paused(bool paused)
{
    cr_assert_eq(
        rig_answer(deployment_manager_set_paused(rig.server->deployments, "web", paused,
                                                 &rig_request, rig_done, NULL, &rig.error)),
        ERROR_NONE);
}

void expect_the_same_containers(const char *const ids[3])
{
    for (int i = 0; i < 3; i++)
        cr_expect_not_null(container_manager_find(rig.server->containers, ids[i]), "%s", ids[i]);
}

void note_containers(const char *ids[3])
{
    const struct container *container = NULL;
    for (int i = 0; i < 3; i++) {
        container = container_manager_next(rig.server->containers, "web", container);
        ids[i] = arena_strdup(&rig.arena, container->id);
    }
}

enum error_code abort_rollout(void)
{
    return rig_answer(deployment_manager_abort(rig.server->deployments, "web", &rig_request,
                                               rig_done, NULL, &rig.error));
}
