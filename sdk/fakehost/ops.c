#include "impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct operation *find(const struct fakehost *fake, struct orch_op op)
{
    struct operation *operation = fake->operations;
    while (operation && operation->id != op.id)
        operation = operation->next;
    return operation;
}

/* For the test's own questions: an unknown one is its mistake. */
static struct operation *known(const struct fakehost *fake, struct orch_op op)
{
    struct operation *operation = find(fake, op);
    if (!operation) {
        (void)fprintf(stderr, "fakehost: there is no operation %llu\n", (unsigned long long)op.id);
        abort();
    }
    return operation;
}

struct orch_op fakehost_op(struct fakehost *fake,
                           void (*inspect)(void *context, const struct orch_result *result),
                           void *context)
{
    struct operation *operation = calloc(1, sizeof *operation);
    struct orch_op op;
    if (!operation)
        abort();
    pthread_mutex_lock(&fake->lock);
    op.id = operation->id = ++fake->next_id;
    operation->inspect = inspect;
    operation->context = context;
    operation->credit = 65536;
    operation->next = fake->operations;
    fake->operations = operation;
    pthread_mutex_unlock(&fake->lock);
    return op;
}

orch_status fakehost_op_status(const struct fakehost *fake, struct orch_op op)
{
    return known(fake, op)->status;
}

const char *fakehost_op_message(const struct fakehost *fake, struct orch_op op)
{
    return known(fake, op)->message;
}

const char *fakehost_op_output(const struct fakehost *fake, struct orch_op op, uint32_t channel,
                               size_t *length)
{
    const struct operation *operation = known(fake, op);
    if (channel >= sizeof operation->output / sizeof operation->output[0])
        abort();
    if (length)
        *length = operation->output[channel].length;
    return buffer_text(&operation->output[channel]);
}

void fakehost_op_credit(struct fakehost *fake, struct orch_op op, int64_t credit)
{
    known(fake, op)->credit = credit;
}

void fakehost_op_give_up(struct fakehost *fake, struct orch_op op)
{
    known(fake, op)->given_up = 1;
}

static void note(struct operation *operation, const struct orch_result *result)
{
    operation->status = result->status;
    if (result->error && result->status < 0)
        (void)snprintf(operation->message, sizeof operation->message, "%s", result->error->message);
    if (operation->inspect)
        operation->inspect(operation->context, result);
}

static orch_status complete(const struct orch_host *host, struct orch_op op,
                            const struct orch_result *result)
{
    struct fakehost *fake = fakehost_from(host);
    struct orch_result mine;
    struct operation *operation;
    orch_status answer = ORCH_E_STALE;
    (void)orch_take(&mine, sizeof mine, result, NULL);
    pthread_mutex_lock(&fake->lock);
    operation = find(fake, op);
    if (!operation || operation->status)
        fakehost_fault(fake, "completed an operation that is over");
    else if (mine.status != ORCH_OK && mine.status >= 0)
        fakehost_fault(fake, "completed with what is no end: neither ORCH_OK nor an error");
    else if (operation->given_up)
        operation->status = mine.status;
    else
        answer = ORCH_OK;
    if (answer == ORCH_OK)
        note(operation, &mine);
    pthread_mutex_unlock(&fake->lock);
    return answer;
}

static int64_t emit(const struct orch_host *host, struct orch_op op, uint32_t channel,
                    uint32_t reserved, struct orch_str bytes)
{
    struct fakehost *fake = fakehost_from(host);
    struct operation *operation;
    int64_t answer = ORCH_E_STALE;
    (void)reserved;
    pthread_mutex_lock(&fake->lock);
    operation = find(fake, op);
    if (!operation || operation->status) {
        fakehost_fault(fake, "emitted for an operation that is over");
    } else if (channel == 0 || channel >= sizeof operation->output / sizeof operation->output[0]) {
        fakehost_fault(fake, "emitted on a channel that there is not");
        answer = ORCH_E_INVALID;
    } else if (!operation->given_up) {
        if (operation->credit <= 0)
            fakehost_fault(fake, "emitted without credit");
        buffer_add(&operation->output[channel], bytes.ptr, bytes.len);
        operation->credit -= (int64_t)bytes.len;
        answer = operation->credit > 0 ? operation->credit : 0;
    }
    pthread_mutex_unlock(&fake->lock);
    return answer;
}

const struct orch_host_ops_v1 fakehost_ops_table = {
    .size = sizeof fakehost_ops_table, .complete = complete, .emit = emit};

void fakehost_ops_finish(struct fakehost *fake)
{
    size_t i;
    while (fake->operations) {
        struct operation *operation = fake->operations;
        fake->operations = operation->next;
        for (i = 0; i < sizeof operation->output / sizeof operation->output[0]; i++)
            free(operation->output[i].data);
        free(operation);
    }
}
