#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <orchestrator/fakehost.h>
#include <orchestrator/runtime.h>
#include <string.h>

static uint32_t listed, listed_state;

static void inspect_list(void *context, const struct orch_result *result)
{
    (void)context;
    listed = result->items.count;
    if (listed)
        listed_state = ORCH_AT(struct orch_container_view, result->items, 0)->state;
}

int main(void)
{
    struct fakehost *fake = fakehost_create();
    const struct orch_runtime_v1 *table =
        fakehost_table(fake, &orch_plugin_manifest_1, ORCH_RUNTIME_1, NULL);
    struct orch_error error = {.size = sizeof error};
    void *runtime = NULL;
    assert(table->create_runtime(NULL, fakehost_host(fake), (struct orch_str){"{}", 2}, &runtime,
                                 &error) == ORCH_OK);

    struct orch_op events = fakehost_op(fake, NULL, NULL);
    assert(table->events(runtime, events, (struct orch_array){0}, &error) == ORCH_PENDING);

    const struct orch_pair label = {{"app", 3}, {"web", 3}};
    const struct orch_task task = {
        .size = sizeof task, .id = {"c1", 2}, .labels = {&label, 1, sizeof label}};
    struct orch_op made = fakehost_op(fake, NULL, NULL), again = fakehost_op(fake, NULL, NULL);
    assert(table->create(runtime, made, &task, &error) == ORCH_PENDING);
    assert(fakehost_op_status(fake, made) == 0); /* not before the loop turns */
    assert(table->create(runtime, again, &task, &error) == ORCH_PENDING);
    fakehost_run(fake);
    assert(fakehost_op_status(fake, made) == ORCH_OK);
    assert(fakehost_op_status(fake, again) == ORCH_OK);

    struct orch_op started = fakehost_op(fake, NULL, NULL);
    assert(table->start(runtime, started, (struct orch_str){"c1", 2}, &error) == ORCH_PENDING);
    fakehost_run(fake);
    struct orch_op lists = fakehost_op(fake, inspect_list, NULL);
    const struct orch_list list = {.size = sizeof list, .labels = {&label, 1, sizeof label}};
    assert(table->list(runtime, lists, &list, &error) == ORCH_PENDING);
    assert(listed == 1 && listed_state == ORCH_CONTAINER_RUNNING);
    assert(strcmp(fakehost_op_output(fake, events, ORCH_CHANNEL_EVENT, NULL), "c1") == 0);

    const struct orch_stop stop = {.size = sizeof stop, .runtime_id = {"c1", 2}};
    assert(table->stop(runtime, fakehost_op(fake, NULL, NULL), &stop, &error) == ORCH_PENDING);
    fakehost_run(fake);
    assert(table->stop(runtime, fakehost_op(fake, NULL, NULL), &stop, &error) == ORCH_OK);
    assert(table->remove(runtime, fakehost_op(fake, NULL, NULL), (struct orch_str){"c1", 2},
                         &error) == ORCH_PENDING);
    fakehost_run(fake);
    assert(table->remove(runtime, fakehost_op(fake, NULL, NULL), (struct orch_str){"c1", 2},
                         &error) == ORCH_OK);
    table->cancel(runtime, events);
    assert(fakehost_op_status(fake, events) == ORCH_E_CANCELLED);

    table->destroy_runtime(runtime);
    assert(fakehost_faults(fake) == 0);
    fakehost_destroy(fake);
    return 0;
}
