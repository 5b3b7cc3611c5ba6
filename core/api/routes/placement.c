/* GET /containers/ID/placement: how the nodes compare for one more container like it, as things
 * stand: the scheduler's own ranking, and every node's verdict by the same filters. */
#include "api/routes/impl.h"
#include "base/hash.h"
#include "scheduler/scheduler.h"

#include <string.h>

struct placement_view {
    struct survey survey;
    const struct deployment *deployment; /* counted */
    const struct revision *revision;     /* counted */
    const char *id, *node;
    struct schedule_plan *plan; /* freed with the request */
    struct text rows;           /* JSON, built node by node */
};

static void drop(struct request *request)
{
    struct placement_view *view = request->data;
    record_release(view->deployment ? &view->deployment->record : NULL);
    record_release(view->revision ? &view->revision->record : NULL);
    schedule_plan_free(view->plan);
    text_finish(&view->rows);
}

static struct schedule_ask ask_of(const struct placement_view *view)
{
    return (struct schedule_ask){.deployment = view->deployment->name,
                                 .deployment_uid = view->deployment->record.uid,
                                 .placement = &view->deployment->placement,
                                 .template = &view->revision->template,
                                 .count = 1,
                                 .seed = hash_text(view->id)};
}

static void write_quoted(struct text *out, const char *string)
{
    text_append_json(out, string, strlen(string));
}

static void write_plan(const struct schedule_plan *plan, struct text *out)
{
    const struct schedule_placement *placement = plan->placements;
    const char *separator = "";
    text_append_string(out, ",\"scheduler\":");
    write_quoted(out, plan->scheduler ? plan->scheduler : "");
    text_append_string(out, ",\"best\":[");
    for (uint32_t i = 0; i < placement->best_count; i++) {
        text_append_string(out, i ? ",{\"node\":" : "{\"node\":");
        write_quoted(out, placement->best[i].node);
        text_append_format(out, ",\"score\":%lld}", (long long)placement->best[i].score);
    }
    text_append_string(out, "],\"refused\":{");
    for (int filter = FILTER_READY; filter < FILTER_COUNT; filter++) {
        if (!placement->refused[filter])
            continue;
        text_append_format(out, "%s\"%s\":%u", separator, filter_name((enum filter)filter),
                           placement->refused[filter]);
        separator = ",";
    }
    text_append_char(out, '}');
}

static void write_placement(struct request *request)
{
    const struct placement_view *view = request->data;
    struct text *out = &request->out;
    text_append_string(out, "{\"container\":");
    write_quoted(out, view->id);
    text_append_string(out, ",\"node\":");
    write_quoted(out, view->node);
    write_plan(view->plan, out);
    text_append_string(out, ",\"nodes\":[");
    text_append(out, text_string(&view->rows), view->rows.length);
    text_append_format(out, "],\"seq\":%llu}", (unsigned long long)request->seq);
    request_reply(request, 200);
}

static void explain_node(struct request *request, const struct record *record)
{
    struct placement_view *view = request->data;
    struct schedule_ask ask = ask_of(view);
    verdicts_write(request->parts->scheduler, &ask, (const struct node *)record, &view->rows);
}

static void explained(struct request *request)
{
    request->seq = state_settled_seq(request->parts->state);
    request_to_api(request, write_placement);
}

static void planned(void *argument, struct schedule_plan *take_plan)
{
    struct request *request = argument;
    struct placement_view *view = request->data;
    view->plan = take_plan;
    survey_start(&view->survey, request, &shown_nodes, explain_node, explained);
}

static bool find(struct request *request, struct placement_view *view)
{
    const struct api_parts *parts = request->parts;
    const struct container *container =
        container_manager_find(parts->containers, request->params[0]);
    if (!container)
        return error_set(&request->error, ERROR_NOT_FOUND, "there is no container \"%s\"",
                         request->params[0]);
    const struct deployment *deployment =
        deployment_manager_find(parts->deployments, container->deployment);
    const struct revision *revision =
        deployment
            ? deployment_manager_revision(parts->deployments, deployment, container->revision)
            : NULL;
    if (!revision)
        return error_set(&request->error, ERROR_NOT_FOUND,
                         "what container \"%s\" was made from is not kept any more",
                         request->params[0]);
    view->deployment = (const struct deployment *)record_take_reference(&deployment->record);
    view->revision = (const struct revision *)record_take_reference(&revision->record);
    view->id = arena_strdup(&request->arena, container->id);
    view->node = arena_strdup(&request->arena, container->node);
    return true;
}

static void plan(struct request *request)
{
    struct placement_view *view = request->data;
    if (!find(request, view)) {
        request_fail_from_loop(request);
        return;
    }
    struct schedule_ask ask = ask_of(view);
    if (!scheduler_place(request->parts->scheduler, &ask, planned, request, &request->error))
        request_fail_from_loop(request);
}

void container_placement(struct request *request)
{
    request->data = arena_alloc(&request->arena, sizeof(struct placement_view));
    request->drop = drop;
    request_to_loop(request, plan);
}
