/* What the parts of the engine's model share: engine_cells.c has its containers, engine_calls.c
 * what becomes of a call, engine_verbs.c the runtime interface, engine.c its life and troubles. */
#ifndef SIMULATOR_ENGINE_H
#define SIMULATOR_ENGINE_H

#include "sim.h"

#include <string.h>

enum verb {
    VERB_INFO,
    VERB_PULL,
    VERB_CREATE,
    VERB_START,
    VERB_STOP,
    VERB_REMOVE,
    VERB_LIST,
    VERB_LOGS,
    VERB_EXEC
};
extern const char *const verb_names[];
enum fate { FATE_DONE, FATE_REFUSED, FATE_LOST, FATE_SILENT, FATE_HANGS };

/* One call under way. */
struct sim_call {
    struct sim_call *next;
    struct host *host;
    uint64_t generation;
    struct orch_op op;
    enum verb verb;
    enum fate fate;
    orch_status refusal;
    struct loop_timer act;
    struct cell *made;  /* create: what is to be made, not yet in the engine */
    bool waits_for_end; /* stop: answered when it has ended */
    char id[24], image[96], what[16];
    char cluster[96]; /* list: the label asked for */
    uint64_t grace_ns;
    char (*ids)[24]; /* list: only these */
    uint32_t id_count;
};

/* engine_cells.c */
const struct orch_host_ops_v1 *engine_ops(const struct host *host);
bool verb_is_change(enum verb verb);
struct cell *cell_find(const struct host *host, const char *id);
struct cell *cell_find_name(const struct host *host, const char *name);
const char *cell_label(const struct cell *cell, const char *key);
void cell_erase(struct cell *cell);
bool cell_port_is_taken(const struct cell *cell);
void cell_run(struct cell *cell);

/* engine_calls.c */
void call_free(struct sim_call *call);
void call_answer(struct sim_call *call, orch_status status, const void *value,
                 struct orch_array items);
void call_act(void *argument);

/* engine_verbs.c */
struct cell *cell_make(struct host *host);
void engine_complete_aside(struct host *host, struct orch_op op, orch_status status);

/* engine.c */
void cell_end_by_itself(void *argument);

static inline struct orch_str str(const char *text)
{
    return (struct orch_str){text, strlen(text)};
}

#endif
