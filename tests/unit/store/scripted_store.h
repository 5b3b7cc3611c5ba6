/* A store that keeps its entries across openings and answers as a test says. It judges heads and
 * fences like any store; what is scripted comes on top, for the next calls only. */
#ifndef TEST_SCRIPTED_STORE_H
#define TEST_SCRIPTED_STORE_H

#include <orchestrator/store.h>
#include <stdbool.h>

enum { SCRIPTED_ALL = 1000000 };
struct scripted_store {
    /* The next apply: takes `prefix` transactions, then answers `status`. */
    orch_status status;
    uint32_t prefix;
    bool quietly;         /* UNKNOWN: all of it is in nevertheless */
    unsigned blind_heads; /* so many of the next questions for the head fail */
    orch_status open_status, list_status;
    uint64_t most_operations, most_value_bytes; /* its limits; 0: wide ones */
    bool backwards;                             /* lists in the wrong order */
    /* What it saw. */
    unsigned applies, opens, closes, heads;
    uint64_t head, fence;
    uint32_t largest_batch; /* operations */
    uint64_t most_seq;      /* the greatest new_head ever taken */
};
extern struct scripted_store scripted;
extern const struct orch_store_v1 scripted_table;

void scripted_reset(void); /* empty, and answers as a good store */
void scripted_put(const char *key, const char *value);
bool scripted_has(const char *key);
unsigned scripted_count(const char *prefix);

#endif
