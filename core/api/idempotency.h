/* Idempotency-Key: the first answer to a POST is kept for a day, durable with its change, and given
 * again to whoever repeats the request. Private to core/api. */
#ifndef API_IDEMPOTENCY_H
#define API_IDEMPOTENCY_H

#include "api/impl.h"

struct idempotency *idempotency_create(struct api *api);
void idempotency_start(struct idempotency *idempotency);   /* [loop] */
void idempotency_destroy(struct idempotency *idempotency); /* NULL is fine */

/* [loop] Instead of the request's first step: goes on with `step` unless the key is known. */
void idempotency_check(struct request *request, request_step *step);
/* [api] The answer is complete; keeps it, then sends it. */
void idempotency_finish(struct exchange *exchange);

#endif
