/* Idempotency-Key: the first answer to a POST is kept for a day, durable with its change, and given
 * again to whoever repeats the request. Private to core/api. */
#ifndef API_IDEMPOTENCY_H
#define API_IDEMPOTENCY_H

#include "api/impl.h"

struct idempotency *idempotency_create(struct api *api);
void idempotency_start(struct idempotency *idempotency);   /* [loop] */
void idempotency_destroy(struct idempotency *idempotency); /* NULL is fine */

#endif
