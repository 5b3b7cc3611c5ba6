/* Calls a [loop] service from a thread of its own; answers what it was told. */
#include "runtime.h"

#include <pthread.h>

static void never(void *context)
{
    (void)context;
}

static void *thread(void *argument)
{
    const struct orch_host_loop_v1 *loop =
        (const struct orch_host_loop_v1 *)the_host->get(the_host, ORCH_HOST_LOOP_1);
    uint64_t timer = 0;
    *(orch_status *)argument = loop->timer_start(the_host, 0, never, NULL, &timer);
    return NULL;
}

static orch_status info(void *runtime, struct orch_op op, struct orch_error *error)
{
    orch_status answer = 0;
    pthread_t id;
    (void)runtime, (void)op;
    (void)complete_info;
    if (pthread_create(&id, NULL, thread, &answer) == 0)
        (void)pthread_join(id, NULL);
    return orch_fail(error, answer, "a service refused the thread");
}
