/* An agent on a virtual loop with the scripted engine, a scripted proxy, and this test as its
 * server. */
#ifndef TEST_AGENT_RIG_H
#define TEST_AGENT_RIG_H

#include "agent/agent.h"
#include "engine.h"
#include "node/messages.h"

#define CLUSTER "0123456789abcdef0123456789abcdef"
#define OTHER_CLUSTER "fedcba9876543210fedcba9876543210"

struct seen { /* the latest word of a container */
    char id[80], reason[48], message[240], address[48], runtime_id[80];
    int64_t incarnation, restarts, exit_code, next_start_at_ms;
    uint8_t state;
    bool ready, gone;
    unsigned ends;
    char end_reason[48], end_signal[16], end_last_line[64];
    int64_t end_exit_code;
};
struct rig {
    struct loop *loop;
    struct agent *agent;
    struct link_end *server;
    struct seen seen[600];
    unsigned seen_count, reports, full_reports, introductions, messages;
    bool runtime_down, closed;
    int64_t version, fence, store_seq, table_acknowledged;
    struct container_template template;
    char directory[64];
    /* the proxy */
    bool has_feed, hold_feed;
    uint64_t published;
    unsigned puts;
    char fed[64]; /* states of service "web": "a:active b:draining" */
    char withdrawn[64];
    /* what it said of images that it was to have */
    unsigned image_answers;
    bool image_refused;
    char image_failure[240], image_pinned[64];
    /* what it said has drained, as the server heard it */
    unsigned drains;
    int64_t drained_table; /* of the latest */
};
extern struct rig rig;

void rig_setup(void);
void rig_teardown(void);
void rig_start(void); /* agent and link */
void rig_stop(void);  /* the daemon is killed; containers and proxy run on */
void rig_link(void);  /* a new connection */
void rig_run_ms(uint64_t ms);
/* To be run before the next send: one container of the assignment under way. */
void rig_want(const char *id, int64_t incarnation, enum assigned_intent intent);
void rig_want_image(void); /* of another template than the containers' */
void rig_remove(const char *id);
void rig_send(bool full);
void rig_publish(const char *id, const char *address, uint8_t state); /* service "web" */
void rig_feed_acknowledge(void);
void rig_feed_drained(const char *id); /* of service "web" */
struct seen *rig_seen(const char *id);

#endif
