/* Idempotency keys, as stored: a marker rides in the transaction of the change that a request made;
 * its answer is added by whoever answered. */
#ifndef STORE_IDEMPOTENCY_H
#define STORE_IDEMPOTENCY_H

#include "store/record.h"

struct idempotency_record {
    struct record record; /* record.created_at_ms: when the change was made */
    const char *key;      /* as the client chose it */
    const char *hash;     /* SHA-256 over method, target and body */
    int64_t status;       /* of the answer; 0: not known (yet) */
    int64_t etag;
    const char *location, *answer;
};
extern const struct record_kind idempotency_kind;
extern const struct type idempotency_type;

#endif
