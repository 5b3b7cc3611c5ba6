#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "plugin/host.h"
#include "plugin/ops.h"

#include <criterion/criterion.h>
#include <orchestrator/runtime.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* A virtual loop: deadlines pass in no time. */
static struct loop *loop;
static struct op_table *table;
static struct plugin_environment environment;
static struct plugin_host host, stranger;

static unsigned ends, cancels, resumes;
static orch_status last_status;
static char last_message[ERROR_MESSAGE_BYTES], received[64];
static struct text output;
static size_t hold; /* 1: `data` owes everything */

static void setup(void)
{
    static const struct plugin_service *const services[] = {&host_ops_service};
    ends = cancels = resumes = 0;
    last_status = 0;
    last_message[0] = received[0] = 0;
    hold = 0;
    loop = loop_create_virtual(7, 0);
    table = op_table_create(loop);
    environment = (struct plugin_environment){.product = "test",
                                              .version = "1",
                                              .loop = loop,
                                              .ops = table,
                                              .services = services,
                                              .service_count = 1};
    plugin_host_init(&host, &environment, "runtime-a");
    plugin_host_init(&stranger, &environment, "runtime-b");
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
}

static void teardown(void)
{
    plugin_host_finish(&host);
    plugin_host_finish(&stranger);
    op_table_destroy(table);
    (void)loop_run_until(loop, UINT64_MAX);
    loop_destroy(loop);
    text_finish(&output);
}

TestSuite(ops, .init = setup, .fini = teardown, .timeout = 30);

static void on_done(void *argument, const struct op_end *end)
{
    const struct orch_created *created = end->value;
    (void)argument;
    ends++;
    last_status = end->status;
    snprintf(last_message, sizeof last_message, "%s", end->error ? end->error->message : "");
    if (created)
        snprintf(received, sizeof received, "%s", created->runtime_id.ptr);
}

static size_t on_data(void *argument, uint32_t channel, struct orch_str bytes)
{
    (void)argument, (void)channel;
    text_append(&output, bytes.ptr, bytes.len);
    return hold ? 0 : bytes.len;
}

static void on_cancel(void *instance, struct orch_op op)
{
    (void)instance, (void)op;
    cancels++;
}

static void on_resume(void *instance, struct orch_op op)
{
    (void)instance, (void)op;
    resumes++;
}

static struct op *begin(enum op_kind kind, uint64_t deadline_ns)
{
    return op_begin(table, &(struct op_request){.host = &host,
                                                .verb = "create",
                                                .kind = kind,
                                                .shape = &op_shape_created,
                                                .deadline_ns = deadline_ns,
                                                .cancel = on_cancel,
                                                .resume = on_resume,
                                                .data = on_data,
                                                .done = on_done});
}

static const struct orch_host_ops_v1 *service(void)
{
    return host.orch.get(&host.orch, ORCH_HOST_OPS_1);
}

static orch_status complete_from(struct plugin_host *from, struct orch_op op, const char *id)
{
    const struct orch_created created = {.size = sizeof created, .runtime_id = {id, strlen(id)}};
    const struct orch_result result = {.size = sizeof result, .status = ORCH_OK, .value = &created};
    return service()->complete(&from->orch, op, &result);
}

static struct op_counts counts(void)
{
    struct op_counts now;
    op_table_counts(table, &now);
    return now;
}

static void run_for(uint64_t ns)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + ns);
}

Test(ops, completes_inside_the_verb_without_calling_back_there)
{
    struct op *op = begin(OP_UNARY, 0);
    char id[] = "c1";
    cr_assert_eq(complete_from(&host, op_handle(op), id), ORCH_OK);
    memset(id, 'x', 2); /* it was copied */
    cr_assert_eq(ends, 0);
    op_settle(op, ORCH_PENDING, NULL);
    cr_assert_eq(ends, 0);
    run_for(1);
    cr_assert_eq(ends, 1);
    cr_assert_eq(last_status, ORCH_OK);
    cr_assert_str_eq(received, "c1");
    cr_assert_eq(counts().open, 0);
}

static void *complete_in_thread(void *argument)
{
    cr_assert_eq(complete_from(&host, *(const struct orch_op *)argument, "from-thread"), ORCH_OK);
    return NULL;
}

Test(ops, completes_from_any_thread)
{
    struct op *op = begin(OP_UNARY, 0);
    struct orch_op handle = op_handle(op);
    pthread_t thread;
    op_settle(op, ORCH_PENDING, NULL);
    pthread_create(&thread, NULL, complete_in_thread, &handle);
    pthread_join(thread, NULL);
    run_for(1);
    cr_assert_str_eq(received, "from-thread");
}

Test(ops, answers_a_second_completion_stale_and_blames_the_plugin)
{
    struct op *op = begin(OP_UNARY, 0);
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    cr_assert_eq(complete_from(&host, handle, "a"), ORCH_OK);
    cr_assert_eq(complete_from(&host, handle, "b"), ORCH_E_STALE);
    run_for(1);
    cr_assert_eq(complete_from(&host, handle, "c"), ORCH_E_STALE);
    cr_assert_eq(ends, 1);
    cr_assert_str_eq(received, "a");
    cr_assert_eq(counts().twice, 2);
    cr_assert_eq(host.faults, 2);
}

Test(ops, ends_at_the_deadline_and_refuses_what_comes_later)
{
    struct op *op = begin(OP_UNARY, loop_now_ns(loop) + NS_PER_SECOND);
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    run_for(2 * NS_PER_SECOND);
    cr_assert_eq(ends, 1);
    cr_assert_eq(last_status, ORCH_E_TIMEOUT);
    cr_assert_str_eq(last_message, "create did not end in time");
    cr_assert_eq(cancels, 1, "the plugin was told");
    cr_assert_eq(counts().never_ended, 1, "its parameters are kept: the plugin may read them");
    cr_assert_eq(complete_from(&host, handle, "late"), ORCH_E_STALE);
    run_for(1);
    cr_assert_eq(ends, 1);
    cr_assert_eq(counts().late, 1);
    cr_assert_eq(counts().never_ended, 0);
    cr_assert_eq(counts().open, 0);
    cr_assert_eq(host.faults, 1);
}

Test(ops, forgives_the_cancelled_completion_that_the_deadline_asked_for)
{
    struct op *op = begin(OP_UNARY, loop_now_ns(loop) + NS_PER_SECOND);
    const struct orch_result result = {.size = sizeof result, .status = ORCH_E_CANCELLED};
    op_settle(op, ORCH_PENDING, NULL);
    struct orch_op handle = op_handle(op);
    run_for(2 * NS_PER_SECOND);
    cr_assert_eq(service()->complete(&host.orch, handle, &result), ORCH_E_STALE);
    cr_assert_eq(host.faults, 0);
}

Test(ops, delivers_what_a_verb_answers_at_once)
{
    struct orch_error theirs = {.size = sizeof theirs};
    orch_fail(&theirs, ORCH_E_NOT_FOUND, "no such\x1b[2J image");
    op_settle(begin(OP_UNARY, 0), ORCH_E_NOT_FOUND, &theirs);
    cr_assert_eq(ends, 0);
    run_for(1);
    cr_assert_eq(last_status, ORCH_E_NOT_FOUND);
    cr_assert_str_eq(last_message, "no such?[2J image");
    op_settle(begin(OP_UNARY, 0), ORCH_OK, NULL);
    run_for(1);
    cr_assert_eq(ends, 2);
    cr_assert_eq(last_status, ORCH_OK);
}

Test(ops, takes_no_number_for_a_status)
{
    op_settle(begin(OP_UNARY, 0), 0, NULL);
    run_for(1);
    cr_assert_eq(last_status, ORCH_E_INTERNAL);
    cr_assert_eq(host.faults, 1);
}

Test(ops, keeps_one_plugin_from_the_operations_of_another)
{
    struct op *op = begin(OP_UNARY, 0);
    op_settle(op, ORCH_PENDING, NULL);
    cr_assert_eq(complete_from(&stranger, op_handle(op), "stolen"), ORCH_E_STALE);
    cr_assert_eq(stranger.faults, 1);
    run_for(1);
    cr_assert_eq(ends, 0);
}

Test(ops, tells_nobody_after_abandon)
{
    struct op *op = begin(OP_UNARY, loop_now_ns(loop) + NS_PER_SECOND);
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    op_abandon(table, handle.id);
    cr_assert_eq(cancels, 1);
    cr_assert_eq(complete_from(&host, handle, "x"), ORCH_E_STALE);
    run_for(10 * NS_PER_SECOND);
    cr_assert_eq(ends, 0);
    cr_assert_eq(counts().open, 0);
    cr_assert_eq(host.faults, 0, "an abandoned operation's completion is owed");
}

Test(ops, ends_a_cancelled_operation_itself_after_the_grace)
{
    struct op *op = begin(OP_UNARY, 0);
    op_settle(op, ORCH_PENDING, NULL);
    op_cancel(table, op_handle(op).id);
    op_cancel(table, op_handle(op).id);
    cr_assert_eq(cancels, 1);
    run_for(NS_PER_SECOND);
    cr_assert_eq(ends, 0);
    run_for(OP_CANCEL_GRACE_MS * NS_PER_MS);
    cr_assert_eq(ends, 1);
    cr_assert_eq(last_status, ORCH_E_CANCELLED);
}

static int64_t emit(struct orch_op op, size_t bytes)
{
    static char block[1024 * 1024];
    return service()->emit(&host.orch, op, ORCH_CHANNEL_STDOUT, 0, (struct orch_str){block, bytes});
}

Test(ops, delivers_emissions_before_the_end)
{
    struct op *op = begin(OP_SOURCE, 0);
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    cr_assert_gt(
        service()->emit(&host.orch, handle, ORCH_CHANNEL_STDOUT, 0, (struct orch_str){"one ", 4}),
        0);
    service()->emit(&host.orch, handle, ORCH_CHANNEL_STDOUT, 0, (struct orch_str){"two", 3});
    complete_from(&host, handle, "x");
    cr_assert_eq(output.length, 0);
    run_for(1);
    cr_assert_str_eq(text_string(&output), "one two");
    cr_assert_eq(ends, 1);
}

Test(ops, takes_credit_away_and_resumes_once_it_is_given_back)
{
    struct op *op = begin(OP_SOURCE, 0);
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    hold = 1;
    cr_assert_eq(emit(handle, OP_CREDIT_BYTES - 10), 10);
    cr_assert_eq(emit(handle, 20), 0);
    run_for(1);
    cr_assert_eq(output.length, OP_CREDIT_BYTES + 10, "what was given is kept");
    op_credit(table, handle.id, 100);
    cr_assert_eq(resumes, 0, "not for crumbs");
    op_credit(table, handle.id, OP_CREDIT_BYTES);
    cr_assert_eq(resumes, 1);
    hold = 0;
}

Test(ops, refuses_a_flood_without_credit)
{
    struct op *op = begin(OP_SOURCE, 0);
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    int64_t answer = 0;
    for (int i = 0; i < 5; i++)
        answer = emit(handle, OP_CREDIT_BYTES);
    cr_assert_eq(answer, ORCH_E_FULL);
    cr_assert_eq(host.faults, 1);
    cr_assert_eq(emit(handle, 2 * 1024 * 1024), ORCH_E_TOO_LARGE);
}

Test(ops, lets_unary_operations_emit_progress_only)
{
    struct op *op = begin(OP_UNARY, 0);
    struct orch_op handle = op_handle(op);
    op_settle(op, ORCH_PENDING, NULL);
    cr_assert_eq(emit(handle, 1), ORCH_E_INVALID);
    cr_assert_gt(
        service()->emit(&host.orch, handle, ORCH_CHANNEL_PROGRESS, 0, (struct orch_str){"1%", 2}),
        0);
}

Test(ops, refuses_more_than_the_table_holds_by_the_callback)
{
    for (int i = 0; i < OP_TABLE_LIMIT; i++)
        op_settle(begin(OP_UNARY, 0), ORCH_PENDING, NULL);
    struct op *op = begin(OP_UNARY, 0);
    cr_assert(op_refused(op));
    op_settle(op, ORCH_PENDING, NULL);
    run_for(1);
    cr_assert_eq(ends, 1);
    cr_assert_eq(last_status, ORCH_E_UNAVAILABLE);
    cr_assert_str_eq(last_message, "4096 operations are open or never ended");
}

Test(ops, forgets_all_of_a_plugin_that_goes)
{
    for (int i = 0; i < 10; i++)
        op_settle(begin(OP_UNARY, loop_now_ns(loop) + NS_PER_SECOND), ORCH_PENDING, NULL);
    op_table_forget(table, &host);
    run_for(5 * NS_PER_SECOND);
    cr_assert_eq(ends, 0);
    cr_assert_eq(counts().open, 0);
}

Test(ops, copies_what_a_shorter_struct_has_and_refuses_a_broken_array)
{
    struct op *op = op_begin(table, &(struct op_request){.host = &host,
                                                         .verb = "list",
                                                         .kind = OP_UNARY,
                                                         .shape = &op_shape_containers,
                                                         .done = on_done});
    struct orch_container_view item = {.size = sizeof item * 2};
    const struct orch_result result = {
        .size = sizeof result, .status = ORCH_OK, .items = {&item, 1, sizeof item}};
    op_settle(op, ORCH_PENDING, NULL);
    cr_assert_eq(service()->complete(&host.orch, op_handle(op), &result), ORCH_OK);
    run_for(1);
    cr_assert_eq(last_status, ORCH_E_INTERNAL);
    cr_assert_str_eq(last_message,
                     "list: the plugin's answer is no array of struct orch_container_view");
}
