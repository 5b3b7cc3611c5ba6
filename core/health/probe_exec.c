#include "health/impl.h"
#include "plugin/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct attempt {
    struct prober *prober;
    uint64_t id;
    size_t length;
    char output[96]; /* its first bytes */
};

static size_t output(void *argument, uint32_t channel, const char *bytes, size_t length)
{
    struct attempt *attempt = argument;
    size_t room = sizeof attempt->output - 1 - attempt->length;
    size_t kept = length < room ? length : room;
    (void)channel;
    memcpy(attempt->output + attempt->length, bytes, kept);
    attempt->length += kept;
    return length;
}

static void ended(void *argument, orch_status status, const struct error *error, int32_t exit_code)
{
    struct attempt *attempt = argument;
    struct prober *prober = attempt->prober;
    char message[PROBE_MESSAGE_BYTES];
    if (status != ORCH_OK)
        snprintf(message, sizeof message, "%s", error->message);
    else
        snprintf(message, sizeof message, "exit code %d: %s", exit_code, attempt->output);
    free(attempt);
    prober_result(prober, status == ORCH_OK && exit_code == 0 ? NULL : message);
}

struct attempt *probe_exec_start(struct prober *prober)
{
    const struct list *command = &prober->probe->exec->command;
    struct attempt *attempt = memory_alloc(sizeof *attempt);
    struct loop *loop = prober->health->config.loop;
    struct runtime_exec_request request = {.runtime_id = prober->health->runtime_id,
                                           .command = command->items,
                                           .command_count = command->count};
    attempt->prober = prober;
    attempt->id =
        runtime_exec(prober->health->config.runtime, &request,
                     loop_now_ns(loop) + prober->probe->timeout_ns, output, ended, attempt);
    return attempt;
}

void probe_exec_stop(struct attempt *attempt)
{
    runtime_abandon(attempt->prober->health->config.runtime, attempt->id);
    free(attempt);
}
