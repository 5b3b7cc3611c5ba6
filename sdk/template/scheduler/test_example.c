#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <orchestrator/fakehost.h>
#include <orchestrator/scheduler.h>
#include <string.h>

static void collect(void *context, const char *bytes, size_t length)
{
    memcpy(context, bytes, length);
}

int main(void)
{
    static const char config[] = "{\"resource\":\"memory\",\"keepFreePermille\":100}";
    struct fakehost *fake = fakehost_create();
    const struct orch_scheduler_v1 *table =
        fakehost_table(fake, &orch_plugin_manifest_1, ORCH_SCHEDULER_1, NULL);
    struct orch_sched_wants wants = {.size = sizeof wants};
    struct orch_error error = {.size = sizeof error};
    void *scheduler = NULL;
    assert(table->create(NULL, fakehost_host(fake), (struct orch_str){config, sizeof config - 1},
                         &scheduler, &wants, &error) == ORCH_OK);
    assert(wants.score_scope == ORCH_SCORE_NODE);

    const int64_t unused[] = {1000000, 4000000, 1100}, capacity[] = {8000000, 8000000, 8000000};
    const struct orch_resource_column columns[] = {{{"memory", 6}, unused, capacity}};
    const struct orch_ask_amount amounts[] = {{.resource = 0, .amount = 1000}};
    const uint32_t replicas[3] = {0}, candidates[] = {0, 1, 2};
    const struct orch_sched_view view = {
        .size = sizeof view, .node_count = 3, .resources = {columns, 1, sizeof columns[0]}};
    const struct orch_sched_ask ask = {
        .size = sizeof ask, .amounts = {amounts, 1, sizeof amounts[0]}, .replicas = replicas};
    int64_t scores[3];
    uint32_t reasons[3];
    assert(table->score(scheduler, &view, &ask, candidates, 3, 0, scores, reasons, &error) ==
           ORCH_OK);
    assert(scores[1] > scores[0]);
    assert(scores[2] == ORCH_SCORE_VETO);
    char text[64] = "";
    table->explain(scheduler, reasons[2], 0, (struct orch_sink){collect, text});
    assert(strcmp(text, "too little would be left free") == 0);

    table->destroy(scheduler);
    assert(fakehost_faults(fake) == 0);
    fakehost_destroy(fake);
    return 0;
}
