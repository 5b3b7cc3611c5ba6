/* What the files of /plan share. Private to this folder. */
#ifndef ROUTES_PLAN_H
#define ROUTES_PLAN_H

#include "api/planning.h"
#include "api/routes/impl.h"
#include "plan/plan.h"

enum { PLAN_ITEMS = 64 };
enum plan_op { PLAN_PUT = 1, PLAN_DELETE, PLAN_SCALE, PLAN_DRAIN, PLAN_CORDON, PLAN_LOSE };
struct plan_item {
    uint8_t op;                       /* enum plan_op */
    const char *name, *object;        /* object: JSON */
    const struct declared_kind *kind; /* of PLAN_PUT */
    void *wanted;
    bool replicas_given;
    struct action action; /* of the others but PLAN_LOSE */
};
struct planning {
    struct plan_item *items; /* NULL: one request's dry run */
    uint32_t count, at;
    uint32_t left;           /* items, and one for the loop over them, that are not answered yet */
    struct txn_group *group; /* of the items, while they are gone through */
    struct write_request write;                 /* of the request that applies it */
    bool refused;                               /* an item was; request->error says why */
    struct plan_change changes[PLAN_ITEMS + 1]; /* counted */
    uint32_t change_count;
    struct planner *planner; /* at work */
    struct plan *plan;
    const struct plan_token *token; /* is being applied; a copy in the request's arena */
    bool making;                    /* what was planned is being made */
    struct schema_faults faults;
};
/* [api] Reads what is asked for; false: answered. */
bool planning_read(struct request *request, const json_t *body);
/* [loop] Goes through the items, then plans. */
void planning_begin(struct request *request);
/* [loop] The same items for good, in one transaction, each on condition that its version is the one
 * planned on. */
void planning_make(struct request *request);
/* The parts of the answer, without token and time: changes, revisions, start, stop, unplaced,
 * services. [api] */
extern const char *const plan_part_names[];
void plan_write_part(const struct plan *plan, int part, struct arena *arena, struct text *out);
void plan_write_warnings(const struct plan *plan, struct text *out);
/* [api] What is done with a plan that was asked for by a token. */
void plan_compare_and_make(struct request *request);
request_step plan_apply;
extern const char plan_schema[];

#endif
