/* The ledger: what users asked for and what they were answered, against what became durable. */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATION_LIMIT = 4096 };
static struct operation operations[OPERATION_LIMIT];
static uint64_t operation_count, open_operations;

struct operation *users_begin(const char *format, const char *name)
{
    struct operation *operation = &operations[operation_count % OPERATION_LIMIT];
    struct process *process = &server_leader()->process;
    *operation = (struct operation){.number = operation_count++,
                                    .outcome = OUTCOME_OPEN,
                                    .process = process,
                                    .process_generation = process->generation};
    snprintf(operation->by, sizeof operation->by, "user-%llu",
             (unsigned long long)operation->number);
    snprintf(operation->object, sizeof operation->object, format, name);
    trace('U', "%s %s", operation->by, operation->object);
    open_operations++;
    return operation;
}

static struct operation *find(const char *by)
{
    if (!by || strncmp(by, "user-", 5) != 0)
        return NULL;
    uint64_t number = strtoull(by + 5, NULL, 10);
    struct operation *operation = &operations[number % OPERATION_LIMIT];
    return operation->number == number ? operation : NULL;
}

void users_audit(const char *by, const char *verb, const char *object)
{
    struct operation *operation = find(by);
    if (!operation)
        return;
    operation->audits++;
    CHECK(I23, operation->audits == 1, "%s has a second audit entry: %s %s", by, verb, object);
    CHECK(I3_REFUSED, operation->outcome != OUTCOME_REFUSED, "%s was refused and is durable", by);
}

void users_check_content(const char *by)
{
    struct operation *operation = find(by);
    if (!operation)
        return;
    CHECK(I3_REFUSED, operation->outcome != OUTCOME_REFUSED || operation->appeared,
          "%s was refused and is durable", by);
    operation->appeared = true;
}

static void judge_done(struct operation *operation, const struct write_result *result)
{
    CHECK(I23, operation->audits == (result->changed ? 1 : 0),
          "%s (%s): changed %d, %u audit entries", operation->by, operation->object,
          result->changed, operation->audits);
    if (!result->record || result->record->kind->id != KIND_DEPLOYMENT)
        return;
    const struct deployment *deployment = (const struct deployment *)result->record;
    struct true_deployment *seen = true_deployment(deployment->name);
    CHECK(I3_ACKNOWLEDGED,
          seen && (seen->gone || strcmp(seen->uid, deployment->record.uid) != 0 ||
                   seen->version >= deployment->record.version),
          "%s is acknowledged as version %llu and not durable", operation->by,
          (unsigned long long)deployment->record.version);
    if (!seen->gone && strcmp(seen->uid, deployment->record.uid) == 0)
        seen->acknowledged_version = deployment->record.version;
}

void users_done(void *argument, const struct error *error, const struct write_result *result)
{
    struct operation *operation = argument;
    if (operation->outcome != OUTCOME_OPEN || operation->process->dying ||
        operation->process->generation != operation->process_generation)
        return; /* its server has died: nobody hears it */
    open_operations--;
    operation->outcome = !error                                 ? OUTCOME_DONE
                         : error->code == ERROR_UNKNOWN_OUTCOME ? OUTCOME_UNKNOWN
                                                                : OUTCOME_REFUSED;
    trace('U', "%s answered: %s", operation->by, error ? error->message : "done");
    if (!error)
        judge_done(operation, result);
    CHECK(I3_REFUSED, operation->outcome != OUTCOME_REFUSED || !operation->audits,
          "%s is refused after it became durable: %s", operation->by, error ? error->message : "");
}

/* What the manager answered on the spot. */
bool users_taken(struct operation *operation, bool accepted, const struct error *error)
{
    if (accepted)
        return true;
    open_operations--;
    operation->outcome = OUTCOME_REFUSED;
    trace('U', "%s refused: %s", operation->by, error->message);
    return false;
}

void users_server_died(struct process *process)
{
    for (uint64_t i = 0; i < OPERATION_LIMIT; i++)
        if (operations[i].outcome == OUTCOME_OPEN && operations[i].process == process) {
            operations[i].outcome = OUTCOME_LOST;
            open_operations--;
        }
}

struct write_request users_request(const struct operation *operation)
{
    return (struct write_request){.origin = {.by = operation->by}};
}

uint64_t users_next_number(void)
{
    return operation_count;
}

void users_skip(void)
{
    operation_count++;
}

bool users_wait(void)
{
    return open_operations > 0;
}
