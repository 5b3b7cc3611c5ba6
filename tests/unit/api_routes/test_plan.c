/* Plans that are applied while the world moves. */
#include "unit/api_routes/rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(plan, .init = rig_setup, .fini = rig_teardown, .timeout = 60);

static struct answer post(const char *path, const char *body)
{
    return rig_call(&(struct call){.method = "POST", .path = path, .body = body});
}

static void expect(const char *path, const char *body, int status)
{
    struct answer answer = post(path, body);
    cr_assert_eq(answer.status, status, "%s: %d %s", path, answer.status, answer.text);
    answer_finish(&answer);
}

static void expect_replicas(const char *name, const char *replicas)
{
    char path[64];
    snprintf(path, sizeof path, "/deployments/%s", name);
    struct answer answer = rig_call(&(struct call){.method = "GET", .path = path});
    cr_assert_str_eq(answer_at(&answer, "replicas"), replicas);
    answer_finish(&answer);
}

#define SCALE(name, replicas)                                                                      \
    "{\"op\":\"scale\",\"kind\":\"deployments\",\"name\":\"" name                                  \
    "\",\"object\":{\"replicas\":" replicas "}}"
#define SERVICE(name)                                                                              \
    "{\"op\":\"put\",\"kind\":\"services\",\"name\":\"" name                                       \
    "\",\"object\":{\"deployment\":\"a\","                                                         \
    "\"listen\":\"127.0.0.1:8080\",\"targetPort\":80}}"

static void deploy(void)
{
    expect("/deployments", "{\"name\":\"a\",\"image\":\"app:1\"}", 201);
    expect("/deployments", "{\"name\":\"b\",\"image\":\"app:1\"}", 201);
}

static void plan_both(char path[96])
{
    struct answer answer = post("/plan", "{\"items\":[" SCALE("a", "4") "," SCALE("b", "5") "]}");
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    snprintf(path, 96, "/plan/%s/apply", answer_at(&answer, "token"));
    answer_finish(&answer);
}

static uint64_t transactions(void)
{
    struct state_figures figures;
    state_read_figures(rig.server->state, &figures);
    return figures.transactions;
}

static uint64_t committed_by[2];

static void note_transaction(void *argument, const struct record *before,
                             const struct record *after)
{
    (void)argument;
    if (before && after && after->kind->id == KIND_DEPLOYMENT)
        committed_by[((const struct deployment *)after)->name[0] - 'a'] = transactions();
}

Test(plan, is_applied_in_one_transaction)
{
    char path[96];
    struct state_subscriber subscriber = {.changed = note_transaction};
    deploy();
    plan_both(path);
    state_subscribe(rig.server->state, &subscriber);
    expect(path, NULL, 200);
    state_unsubscribe(rig.server->state, &subscriber);
    cr_assert_gt(committed_by[0], 0);
    cr_assert_eq(committed_by[0], committed_by[1]);
    expect_replicas("a", "4");
    expect_replicas("b", "5");
}

static int steps;

static void written(void *argument, const struct error *error, const struct write_result *result)
{
    (void)argument, (void)result;
    cr_assert_null(error);
}

/* Behind the comparison of the plan (its second step of the API thread), "b" is scaled. */
static void scale_b(void)
{
    const struct write_request request = {.origin = {.by = "key:other"}};
    struct error error;
    if (++steps != 1)
        return;
    cr_assert(
        deployment_manager_scale(rig.server->deployments, "b", 9, &request, written, NULL, &error));
}

/* The state moves between the plan's having been made anew and its comparison: the first item could
 * be made, the second can't. */
Test(plan, makes_nothing_when_one_of_its_objects_has_moved)
{
    char path[96];
    deploy();
    plan_both(path);
    rig.meanwhile = scale_b;
    struct answer answer = post(path, NULL);
    cr_assert_eq(answer.status, 409, "%s", answer.text);
    cr_assert_str_eq(answer_at(&answer, "code"), "CONFLICT");
    cr_assert(strstr(answer_at(&answer, "error"), "items[1]"), "%s", answer.text);
    cr_assert(strstr(answer_at(&answer, "error"), "nothing was made"), "%s", answer.text);
    answer_finish(&answer);
    rig.meanwhile = NULL;
    rig_run_ms(50);
    expect_replicas("a", "1");
    expect_replicas("b", "9");
}

Test(plan, judges_its_items_together)
{
    deploy();
    struct answer answer = post("/plan", "{\"items\":[" SERVICE("x") "," SERVICE("y") "]}");
    cr_assert_eq(answer.status, 409, "%s", answer.text);
    cr_assert(strstr(answer_at(&answer, "error"), "items[1]"), "%s", answer.text);
    answer_finish(&answer);
    answer = rig_call(&(struct call){.method = "GET", .path = "/services"});
    cr_assert_eq(json_array_size(json_object_get(answer.body, "items")), 0);
    answer_finish(&answer);
}
