/* Three bounded queues from the API thread to the main loop, drained in turns of bounded length,
 * agents before controllers before users. A full lane refuses at once, so that a flood of users'
 * requests costs users only. */
#include "api/impl.h"
#include "base/clock.h"

enum { TURN_BUDGET_NS = 1000 * 1000 };

static struct loop_task *next_task(struct lanes *lanes)
{
    for (int i = 0; i < 3; i++) {
        struct queue_node *node = queue_pop(&lanes->queues[i]);
        if (node)
            return CONTAINER_OF(node, struct loop_task, node);
    }
    return NULL;
}

static bool drain(void *argument)
{
    struct lanes *lanes = argument;
    loop_refresh_now(lanes->loop);
    uint64_t until = loop_now_ns(lanes->loop) + TURN_BUDGET_NS;
    struct loop_task *task;
    while ((task = next_task(lanes))) {
        task->run(task);
        loop_refresh_now(lanes->loop);
        if (loop_now_ns(lanes->loop) >= until)
            return true;
    }
    return false;
}

static void begin(struct loop_task *task)
{
    struct lanes *lanes = CONTAINER_OF(task, struct lanes, task);
    atomic_store(&lanes->posted, false); /* what comes from now on posts again */
    if (drain(lanes))
        loop_slice_start(&lanes->slice);
}

void lanes_init(struct lanes *lanes, struct loop *loop, const struct api_limits *limits)
{
    *lanes = (struct lanes){.loop = loop, .task = {.run = begin, .name = "api requests"}};
    queue_init(&lanes->queues[LANE_AGENTS - 1], limits->lane_agents);
    queue_init(&lanes->queues[LANE_CONTROLLERS - 1], limits->lane_controllers);
    queue_init(&lanes->queues[LANE_USERS - 1], limits->lane_users);
    loop_slice_init(&lanes->slice, loop, "api requests", drain, lanes);
}

void lanes_finish(struct lanes *lanes)
{
    loop_slice_stop(&lanes->slice);
    while (next_task(lanes))
        ; /* the loop has stopped before them; they belong to their requests */
    for (int i = 0; i < 3; i++)
        queue_finish(&lanes->queues[i]);
}

bool lanes_push(struct lanes *lanes, enum api_lane lane, struct loop_task *task)
{
    if (!queue_push(&lanes->queues[lane - 1], &task->node, NULL)) {
        atomic_fetch_add(&lanes->refused[lane - 1], 1);
        return false;
    }
    if (!atomic_exchange(&lanes->posted, true))
        loop_post(lanes->loop, &lanes->task);
    return true;
}
