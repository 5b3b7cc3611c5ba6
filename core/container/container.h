/* Records of containers, and their soft state. */
#ifndef CONTAINER_CONTAINER_H
#define CONTAINER_CONTAINER_H

#include "container/template.h"
#include "store/record.h"

/* One end of a container's process. The last ten of a slot are kept. */
struct container_end {
    int64_t at_ms, exit_code; /* NUMBER_NULL: not known */
    const char *signal;       /* "SIGKILL"; NULL: none */
    bool oom;
    const char *reason; /* a word */
    struct list log;    /* of const char *: last lines */
};
enum { CONTAINER_ENDS = 10, CONTAINER_END_LOG_LINES = 10 };

enum container_intent { INTENT_RUN = 1, INTENT_STOP };
struct container { /* durable */
    struct record record;
    const char *id;         /* "web-1-k3x9q2" */
    const char *deployment; /* interned */
    const char *deployment_uid;
    const char *node;
    int64_t slot, revision;
    int64_t content;     /* the revision that first had what it is made from */
    struct list ports;   /* struct container_port with the host ports it was given */
    int64_t incarnation; /* of the engine container wanted now; from 1 */
    int64_t restarts;
    uint8_t intent;          /* enum container_intent */
    bool failed;             /* for good: the restart policy makes no other */
    const char *stop_reason; /* a word: why intent is STOP */
    struct list ends;        /* struct container_end, latest first */
};
enum container_state {
    CONTAINER_PENDING = 1,
    CONTAINER_SCHEDULED,
    CONTAINER_PULLING,
    CONTAINER_CREATING,
    CONTAINER_RUNNING,
    CONTAINER_STOPPING,
    CONTAINER_EXITED,
    CONTAINER_FAILED,
    CONTAINER_LOST
};
/* Rebuilt from the agents' reports. */
struct container_status {
    uint8_t state;     /* enum container_state */
    bool ready;        /* running, startup and readiness passed */
    int64_t exit_code; /* NUMBER_NULL: none */
    int64_t started_at_ms, finished_at_ms, next_start_at_ms;
    int64_t ready_since_ms;  /* 0: not ready */
    uint64_t ready_since_ns; /* loop clock of the server; 0: not ready */
    uint64_t seq;
    char reason[48], message[240], address[48], runtime_id[80];
};
extern const struct record_kind container_kind;
extern const struct type container_type, container_end_type;

/* "web-1-k3x9q2" -> its parts; false when it can't be one. `name` holds at least 80 bytes. */
bool container_id_parse(const char *id, char *deployment, int64_t *slot);

#endif
