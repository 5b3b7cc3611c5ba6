/* The wired server on a virtual loop, and nodes whose agents are acted by this rig: they do what
 * they are assigned within a millisecond, acknowledge tables and drain at once, unless a test says
 * otherwise. */
#ifndef TEST_SERVER_RIG_H
#define TEST_SERVER_RIG_H

#include "base/clock.h"
#include "server.h"

enum { RIG_NODES = 4, RIG_CONTAINERS = 64, RIG_IMAGES = 16 };
struct rig_container {
    char id[80], template_id[64], image[64];
    int64_t incarnation, restarts;
    uint8_t intent; /* as assigned */
    bool here, running, told_drained;
};
struct rig_endpoint {
    char service[64], container[80], address[48];
    int64_t port, weight;
    uint8_t state;
};
struct rig_image {
    char template_id[64], pinned[64];
    bool bad;
};
struct rig_node {
    const char *name;
    struct link_end *link;
    struct loop_timer turn, heartbeat;
    struct rig_container containers[RIG_CONTAINERS];
    struct rig_endpoint endpoints[RIG_CONTAINERS];
    unsigned endpoint_count;
    int64_t table_version, acknowledged, assignment_version;
    int64_t cpu_millis; /* of its capacity */
    struct map_entry label;
    /* How it acts: */
    bool never_ready;      /* what it starts from now on */
    const char *bad_image; /* this one never runs */
    bool acknowledges_nothing, drains_nothing, pulls_nothing, silent;
    int64_t drains_late;                 /* what it says has drained is of so many tables ago */
    unsigned stops;                      /* containers it stopped */
    unsigned pulls;                      /* images it was asked for */
    struct rig_image images[RIG_IMAGES]; /* yet to be answered */
    unsigned image_count;
};
struct rig {
    struct loop *loop;
    struct server *server;
    struct rig_node nodes[RIG_NODES];
    unsigned node_count;
    struct arena arena; /* of what tests declare */
    struct error error; /* of the latest command; code ERROR_NONE: done */
    unsigned answers;
};
extern struct rig rig;

void rig_begin(void);
void rig_end(void);
void rig_restart_server(void); /* the agents live on and connect anew */
void rig_run_ms(uint64_t ms);

struct rig_node *rig_add_node(const char *name, int64_t cpu_millis, const char *zone);
void rig_disconnect(struct rig_node *node);
void rig_connect(struct rig_node *node);
struct rig_container *rig_container_of(struct rig_node *node, const char *id_part); /* here */
/* What its agent says of a container on its own account. */
void rig_report(struct rig_node *node, const struct reported_container *container);
void rig_report_gone(struct rig_node *node, const char *id);
void rig_report_ejection(struct rig_node *node, const struct reported_ejection *ejection);
/* What the node's proxy has: by container, 0 when it has no such endpoint. */
uint8_t rig_endpoint_state(const struct rig_node *node, const char *container);
unsigned rig_active(const struct rig_node *node);

/* A deployment of that name with an image, one port and defaults; to be changed, then written. */
struct deployment *rig_deployment(const char *name, const char *image, int64_t replicas);
struct service *rig_service(const char *name, const char *deployment, const char *listen);
/* Commands; each runs until it is answered and leaves its error in rig.error. */
enum error_code rig_write(const struct deployment *wanted);
enum error_code rig_create(const struct deployment *wanted);
enum error_code rig_write_service(const struct service *wanted);
enum error_code rig_scale(const char *name, int64_t replicas);
enum error_code rig_delete(const char *name);
/* Waits for a command that was begun: `accepted` is what it returned. */
enum error_code rig_answer(bool accepted);
void rig_done(void *argument, const struct error *error, const struct write_result *result);
extern const struct write_request rig_request;

const struct deployment *rig_find(const char *name);
struct deployment_status rig_status(const char *name);
unsigned rig_count(const char *deployment);                /* container records */
const struct container *rig_first(const char *deployment); /* the first of them */
const struct event *rig_event(const char *reason);         /* the latest of that reason */

#endif
