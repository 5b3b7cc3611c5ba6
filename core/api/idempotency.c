#include "api/idempotency.h"

#include <stdlib.h>

struct idempotency {
    struct api *api;
};

struct idempotency *idempotency_create(struct api *api)
{
    struct idempotency *idempotency = memory_alloc(sizeof *idempotency);
    idempotency->api = api;
    return idempotency;
}

void idempotency_start(struct idempotency *idempotency)
{
    (void)idempotency;
}

void idempotency_destroy(struct idempotency *idempotency)
{
    free(idempotency);
}
