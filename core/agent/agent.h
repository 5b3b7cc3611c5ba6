/* The agent: the node's side. Drives a runtime plugin towards the node's whole desired set, runs
 * probes, restarts by policy, feeds the local proxy and reports.
 *
 * It keeps the desired set with the highest fence and its own restart counts and incarnations in a
 * small file, written before it acts on them; cut off from the server it goes on alone. All [loop].
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "loop/loop.h"
#include "node/link.h"
#include "node/node.h"

struct agent;
struct proxy_feed;
struct http_client;
struct runtime;
struct agent_config {
    struct loop *loop;
    const char *node_name, *address;
    struct list labels;           /* map: of a new node record */
    struct node_amounts reserved; /* kept for the host */
    const char *state_directory;  /* agent.json lives here */
    struct runtime *runtime;      /* the caller's, like the next two */
    struct http_client *http;     /* for HTTP probes */
    struct proxy_feed *feed;      /* its callbacks become the agent's; NULL: no proxy, tables are
                                     acknowledged at once */
    const char *runtime_name;
    uint32_t max_operations; /* in flight at the engine; 0: as the runtime says, else 8 */
    uint64_t heartbeat_ns;   /* 0: 1 s */
    uint64_t relist_ns;      /* 0: 10 s */
};
struct probe_figures;
const struct probe_figures *agent_probe_figures(const struct agent *agent); /* borrowed */
struct agent *agent_create(const struct agent_config *config, struct error *error);
/* Takes the agent's end of a link to the server; may be called again when the old one closed. */
void agent_attach(struct agent *agent, struct link_end *take_end);
void agent_destroy(struct agent *agent); /* containers run on */

/* For REST on this node: the engine's id of a container of ours that exists, also after its end. */
const char *agent_runtime_id(struct agent *agent, const char *container_id, bool previous);
/* The containers that run, by the engine's ids; at most `room` of them. */
struct agent_running {
    char id[80], runtime_id[80];
};
uint32_t agent_running(const struct agent *agent, struct agent_running *out, uint32_t room);
/* Does the engine answer, and has it been listed whole? */
bool agent_ready(const struct agent *agent, const char **why);

#endif
