/* A scripted engine: does what it is asked in memory, counts it, and fails where a test says so. */
#ifndef TEST_AGENT_ENGINE_H
#define TEST_AGENT_ENGINE_H

#include "plugin/runtime.h"

#include <stdbool.h>
#include <stdint.h>

enum { ENGINE_LIMIT = 600, ENGINE_LABELS = 12 };
struct engine_container {
    char id[80], name[200], image[120], address[24];
    char keys[ENGINE_LABELS][64], values[ENGINE_LABELS][96];
    uint32_t label_count, state, flags;
    int32_t exit_code;
    int64_t started_at_ms, finished_at_ms;
    bool gone;
};
struct engine {
    struct engine_container containers[ENGINE_LIMIT];
    uint32_t count, next_address;
    unsigned creates, starts, stops, removes, lists, asks, pulls, logs, execs, streams;
    unsigned in_flight, most_in_flight;
    bool down, silent_create, addresses_at_start, hold_starts;
    orch_status pull_status, start_status, stop_status;
    int32_t exec_exit_code;
    char last_stop_signal[16];
    uint64_t last_grace_ns;
    int64_t now_ms;
    const struct orch_host *host;
    struct orch_op events, held[64];
    char held_ids[64][80];
    uint32_t held_count;
};
extern struct engine engine;
extern const struct orch_runtime_v1 engine_table;

void engine_reset(void);
struct engine_container *engine_find(const char *name_part); /* the latest that is not gone */
const char *engine_label(const struct engine_container *container, const char *key);
/* A container that somebody made: `labels` are key, value, ..., NULL. */
struct engine_container *engine_put(const char *name, uint32_t state, const char *const *labels);
void engine_exit(struct engine_container *container, int32_t code, uint32_t flags); /* with event */
void engine_erase(struct engine_container *container);                              /* with event */
void engine_cut_events(void);
void engine_release_starts(void);
unsigned engine_alive(void); /* running now */

#endif
