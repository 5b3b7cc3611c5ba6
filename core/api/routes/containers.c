/* /containers */
#include "api/routes/impl.h"

#include <string.h>

struct filter {
    struct words deployments, nodes;
    uint32_t states;
};

static bool take(const struct record *record, const void *soft, const void *data)
{
    const struct container *container = (const struct container *)record;
    const struct filter *filter = data;
    return words_take(&filter->deployments, container->deployment) &&
           words_take(&filter->nodes, container->node) &&
           (filter->states & (1U << container_soft_state(soft)));
}

static void list(struct request *request)
{
    struct filter *filter = arena_alloc(&request->arena, sizeof *filter);
    filter->deployments = words_of_query(request, "deployment");
    filter->nodes = words_of_query(request, "node");
    if (!words_read_enum(request, "state", container_state_words, &filter->states))
        return;
    bool any = filter->deployments.count || filter->nodes.count || filter->states != UINT32_MAX;
    list_reply(request, &shown_containers, any ? take : NULL, filter);
}

static void show(struct request *request)
{
    show_reply(request, &shown_containers);
}

static bool ask_delete(struct request *request, const struct action *action, struct error *error)
{
    return container_manager_delete(request->parts->containers, request->params[0], &action->write,
                                    show_written, request, error);
}

static bool ask_restart(struct request *request, const struct action *action, struct error *error)
{
    return container_manager_restart(request->parts->containers, request->params[0], &action->write,
                                     show_written, request, error);
}

static void delete_container(struct request *request)
{
    action_begin(request, &nothing_type, ask_delete);
}

static void restart(struct request *request)
{
    action_begin(request, &nothing_type, ask_restart);
}

#define ONE "/containers/{id}"
#define SHOWN .answers = &container_shown_type
static const char *const query[] = {LIST_QUERY, "deployment", "node", "state", NULL};
static const char *const log_query[] = {"follow", "tail", "since", "timestamps", "previous", NULL};
static const char *const stats_query[] = {"since", "step", NULL};
static const char *const all_stats_query[] = {"deployment", "node", "since", "step", NULL};
static const struct route routes[] = {
    ROUTE("GET", "/containers", list, ROLE_VIEWER, SHOWN, .answers_list = true, .query = query,
          .summary = "All containers, by id"),
    ROUTE("GET", ONE, show, ROLE_VIEWER, SHOWN, .summary = "One container"),
    ROUTE("DELETE", ONE, delete_container, ROLE_DEPLOYER, SHOWN, .status = 202,
          .summary = "Replace it by another, drained first"),
    ROUTE("POST", ONE "/restart", restart, ROLE_DEPLOYER, .body = BODY_OPTIONAL,
          .takes = &nothing_type, SHOWN, .summary = "Start its process anew"),
    ROUTE("GET", ONE "/logs", container_logs, ROLE_VIEWER, .query = log_query,
          .answers_schema = "{\"type\":\"string\"}", .summary = "Its output"),
    ROUTE("GET", ONE "/stats", container_stats, ROLE_VIEWER, .query = stats_query,
          .answers_schema = stats_item_schema, .summary = "What it uses, and used of late"),
    ROUTE("GET", "/stats", list_stats, ROLE_VIEWER, .query = all_stats_query,
          .answers_schema = stats_schema,
          .summary = "What nodes and deployments use; of one of them its containers too"),
    ROUTE("POST", ONE "/exec", container_exec, ROLE_DEPLOYER, .body = BODY_REQUIRED,
          .takes = &exec_type,
          .example = "{\"command\":[\"echo\",\"hello\"],\"tty\":false,\"stdin\":false}",
          .answers_schema = exec_answer_schema, .no_dry_run = true, .audit = AUDIT_ALL,
          .summary = "A ticket to run a command in it"),
    ROUTE("GET", ONE "/placement", container_placement, ROLE_VIEWER,
          .answers_schema = "{\"type\":\"object\"}",
          .summary = "How the nodes compare for it, as things stand"),
};
const struct route_table routes_containers = ROUTE_TABLE(routes);
