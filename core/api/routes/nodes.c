/* /nodes */
#include "api/routes/impl.h"

#include <string.h>

static void list(struct request *request)
{
    list_reply(request, &shown_nodes, NULL, NULL);
}

static void show(struct request *request)
{
    show_reply(request, &shown_nodes);
}

/* PATCH: of what users declare, a node has its labels. */
static const struct record *head(const struct api_parts *parts, const char *name)
{
    struct node probe = {.record.kind = &node_kind, .name = name};
    return state_find(parts->state, STATE_HEAD, &probe.record);
}

static void complete(const struct request *request, void *wanted, struct schema_faults *faults)
{
    (void)request, (void)wanted, (void)faults;
}

static void check(const struct request *request, const void *wanted, struct schema_faults *faults)
{
    (void)request, (void)wanted, (void)faults;
}

static bool write_labels(struct request *request, enum write_mode mode, const void *wanted,
                         bool replicas_given, const struct write_request *write,
                         struct error *error)
{
    (void)mode, (void)replicas_given;
    return node_registry_patch(request->parts->nodes, request->params[0],
                               &((const struct node *)wanted)->labels, write, show_written, request,
                               error);
}

static const struct declared_kind declared = {.type = &node_type,
                                              .what = "node",
                                              .head = head,
                                              .complete = complete,
                                              .check = check,
                                              .write = write_labels};

static void patch(struct request *request)
{
    declared_patch(request, &declared);
}

static const struct field drain_fields[] = {
    {.name = "deadline",
     .kind = FIELD_DURATION,
     .offset = 0,
     .min = 0,
     .max = INT64_C(604800000000000),
     .doc = "After so long what is left is stopped all the same; left out: no such end."},
};
const struct type drain_type = {.name = "Drain",
                                .size = sizeof(uint64_t),
                                TYPE_FIELDS(drain_fields),
                                .doc = "How long it may take."};

bool node_ask_cordon(struct request *request, const struct action *action, struct error *error)
{
    return node_registry_set_schedulable(request->parts->nodes, request->params[0], false,
                                         &action->write, show_written, request, error);
}

static bool ask_uncordon(struct request *request, const struct action *action, struct error *error)
{
    return node_registry_set_schedulable(request->parts->nodes, request->params[0], true,
                                         &action->write, show_written, request, error);
}

bool node_ask_drain(struct request *request, const struct action *action, struct error *error)
{
    return node_registry_drain(request->parts->nodes, request->params[0], action->body.deadline_ns,
                               &action->write, show_written, request, error);
}

static bool ask_delete(struct request *request, const struct action *action, struct error *error)
{
    return node_registry_delete(request->parts->nodes, request->params[0], &action->write,
                                answer_gone, request, error);
}

static void cordon(struct request *request)
{
    action_begin(request, &nothing_type, node_ask_cordon);
}

static void uncordon(struct request *request)
{
    action_begin(request, &nothing_type, ask_uncordon);
}

static void drain(struct request *request)
{
    action_begin(request, &drain_type, node_ask_drain);
}

static void delete_node(struct request *request)
{
    action_begin(request, &nothing_type, ask_delete);
}

#define ONE "/nodes/{name}"
#define SHOWN .answers = &node_shown_type
#define ACTION(verb, handler, type, body_example, text)                                            \
    ROUTE("POST", ONE "/" verb, handler, ROLE_OPERATOR, .body = BODY_OPTIONAL, .takes = (type),    \
          .example = (body_example), SHOWN, .summary = (text))
static const struct route routes[] = {
    ROUTE("GET", "/nodes", list, ROLE_VIEWER, SHOWN, .answers_list = true, .query = list_query,
          .summary = "All nodes, by name"),
    ROUTE("GET", ONE, show, ROLE_VIEWER, SHOWN, .summary = "One node"),
    ROUTE("PATCH", ONE, patch, ROLE_OPERATOR, .body = BODY_REQUIRED, .takes = &node_type,
          .example = "{\"labels\":{\"zone\":\"a\"}}", SHOWN,
          .summary = "Change its labels (RFC 7396)"),
    ROUTE("DELETE", ONE, delete_node, ROLE_OPERATOR, .status = 204,
          .summary = "Forget a node that is lost or drained"),
    ACTION("cordon", cordon, &nothing_type, NULL, "It takes no new containers"),
    ACTION("uncordon", uncordon, &nothing_type, NULL, "It takes new containers again"),
    ACTION("drain", drain, &drain_type, "{\"deadline\":\"10m\"}",
           "Move its containers to other nodes"),
};
const struct route_table routes_nodes = ROUTE_TABLE(routes);
