/* Drives a store plugin by its table, in a folder of its own. */
#ifndef TEST_STORE_BENCH_H
#define TEST_STORE_BENCH_H

#include "base/text.h"

#include <orchestrator/store.h>

extern const struct orch_manifest memory_manifest, sqlite_manifest;

struct bench {
    const struct orch_store_v1 *table;
    void *store;
    char folder[64];
    const char *config;
    struct orch_store_limits limits;
    struct orch_error error; /* of the latest call */
};
void bench_begin(struct bench *bench, const struct orch_manifest *manifest); /* makes the folder */
void bench_end(struct bench *bench);         /* closes, removes the folder */
orch_status bench_open(struct bench *bench); /* what it answers */
void bench_close(struct bench *bench);

/* One transaction; `ops` is "key=value -key ..." */
orch_status bench_write(struct bench *bench, uint64_t expected, uint64_t new_head, uint64_t fence,
                        const char *ops);
/* Some at once; ends with one whose `ops` is NULL. */
struct bench_txn {
    uint64_t expected, new_head, fence;
    const char *ops;
};
orch_status bench_apply(struct bench *bench, const struct bench_txn *txns, uint32_t *applied);
/* "key=value key=value", in pages of `limit`; the caller frees. */
char *bench_list(struct bench *bench, const char *prefix, uint64_t limit);
struct orch_store_head bench_head(struct bench *bench);

#endif
