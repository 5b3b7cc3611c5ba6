/* What the handlers share. Private to this folder. */
#ifndef ROUTES_IMPL_H
#define ROUTES_IMPL_H

#include "api/list.h"
#include "api/request.h"
#include "container/manager.h"
#include "deployment/manager.h"
#include "node/registry.h"
#include "service/manager.h"
#include "store/event.h"

/* -- tables -- */

#define ROUTE(verb, where, handler, least, ...)                                                    \
    {                                                                                              \
        .method = (verb), .path = "/api/v1" where, .begin = (handler), .role = (least),            \
        __VA_ARGS__                                                                                \
    }
#define ROUTE_TABLE(table)                                                                         \
    {                                                                                              \
        .routes = (table), .count = sizeof(table) / sizeof((table)[0])                             \
    }
#define LIST_QUERY "limit", "after", "selector", "fields"
extern const char *const list_query[]; /* LIST_QUERY alone */

/* -- what is shown: the declared object and what is computed, for writing and OpenAPI -- */

extern const struct type deployment_shown_type, container_shown_type, node_shown_type,
    service_shown_type, event_shown_type, revision_shown_type, diff_shown_type, endpoint_shown_type;
extern const struct type rollout_shown_type;
extern const struct shown_kind shown_revisions, shown_rollouts;
extern const char *const container_state_words[], *const node_state_words[];
uint8_t container_soft_state(const void *soft); /* of shown_containers: enum container_state */
/* The words of an enumeration in a table. */
const char *const *type_words(const struct type *type, const char *field);

/* -- filters: "a,b" means or -- */

struct words {
    const char *const *items;
    uint32_t count; /* 0: anything goes */
};
/* [api] Of a query parameter, in the arena. */
struct words words_of_query(struct request *request, const char *name);
bool words_take(const struct words *words, const char *value);
/* [api] The same for words of an enumeration, as bits: 1 << 1 is known[0]. False: answered. */
bool words_read_enum(struct request *request, const char *name, const char *const *known,
                     uint32_t *bits);

/* -- commands without a declared object -- */

struct action {
    struct write_request write;
    union {
        int64_t replicas, revision;
        uint64_t deadline_ns;
    } body;
    bool (*ask)(struct request *request, const struct action *action, struct error *error);
};
/* [api] Reads the preconditions and the body (`type` of struct action's body; the body may be left
 * out where the route says so), then asks the manager on the loop. */
typedef bool action_ask(struct request *request, const struct action *action, struct error *error);
void action_begin(struct request *request, const struct type *type, action_ask *ask);
extern const struct type nothing_type; /* {} */
/* write_done for what leaves no object behind: 204. */
void answer_gone(void *request, const struct error *error, const struct write_result *result);

/* -- POST, PUT and PATCH of what users declare -- */

struct declared_kind {
    const struct type *type;
    const char *what; /* "deployment" */
    /* [loop] The head version; NULL: none. */
    const struct record *(*head)(const struct api_parts *parts, const char *name);
    /* [any] Fills in what the configuration says where nothing was given; adds what the table can't
     * say. */
    void (*complete)(const struct request *request, void *wanted, struct schema_faults *faults);
    /* [loop] What depends on other objects and on plugins. */
    void (*check)(const struct request *request, const void *wanted, struct schema_faults *faults);
    /* [loop] `replicas` given? */
    bool (*write)(struct request *request, enum write_mode mode, const void *wanted,
                  bool replicas_given, const struct write_request *write, struct error *error);
};
void declared_post(struct request *request, const struct declared_kind *kind);
void declared_put(struct request *request, const struct declared_kind *kind);
/* RFC 7396 onto the newest version. It is written on condition that this is still the newest, and
 * merged anew when it is not. */
void declared_patch(struct request *request, const struct declared_kind *kind);
/* [api] The path's deployment must exist; then the step runs on the API thread. */
void require_deployment(struct request *request, request_step *step);

/* -- looking at every object of a kind, in slices -- */

typedef void survey_visit(struct request *request, const struct record *record); /* [loop] */
struct survey {
    struct loop_slice slice;
    struct request *request;
    const struct shown_kind *kind;
    survey_visit *visit;
    request_step *done; /* [loop] may start another with the same struct */
    char after[SHOWN_KEY_BYTES];
};
/* [loop] `survey` lives until `done`. */
void survey_start(struct survey *survey, struct request *request, const struct shown_kind *kind,
                  survey_visit *visit, request_step *done);

/* -- why a node takes a replica or not -- */

struct scheduler;
struct schedule_ask;
/* [loop] Appends {"node", "fits", "checks"} to a list; a comma before it where one is owed. Returns
 * whether it fits. */
bool verdicts_write(struct scheduler *scheduler, const struct schedule_ask *ask,
                    const struct node *node, struct text *rows);

/* -- how two objects differ -- */

struct change {
    const char *path, *from, *to; /* the last two: JSON */
};
extern const struct type change_type;
/* struct change; lives as long as the arena. NULL: there is none. */
struct list changes_of(json_t *from, json_t *to, struct arena *arena);

/* -- what plans are asked for in other tables' words -- */

extern const struct declared_kind declared_deployments, declared_services;
extern const struct type scale_type, drain_type;
action_ask deployment_ask_scale, deployment_ask_delete, service_ask_delete, node_ask_cordon,
    node_ask_drain;

/* -- handlers in files of their own -- */

request_step container_logs, deployment_logs, deployment_diff, container_placement, deployment_why,
    list_problems, container_exec, container_stats, list_stats, list_traffic;
extern const struct type problem_type;
extern const char traffic_schema[], why_schema[], exec_answer_schema[], stats_schema[],
    stats_item_schema[];
extern const struct type exec_type;

/* -- the appended reply -- */

/* [api] "]" and what every list ends with. */
void list_close(struct request *request, uint64_t total);

/* For kinds whose key is the number: what events and audit entries have in common. */
void shown_nothing_soft(const struct api_parts *parts, const struct record *record, void *soft);
uint64_t shown_own_seq(const struct record *record, const void *soft);
const char *shown_number(const struct record *record, char scratch[SHOWN_KEY_BYTES]);

#endif
