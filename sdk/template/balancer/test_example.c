#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <orchestrator/balancer.h>
#include <orchestrator/fakehost.h>

int main(void)
{
    struct fakehost *fake = fakehost_create();
    const struct orch_balancer_v1 *table =
        fakehost_table(fake, &orch_plugin_manifest_1, ORCH_BALANCER_1, NULL);
    struct orch_balancer_wants wants = {.size = sizeof wants};
    struct orch_error error = {.size = sizeof error};
    void *policy = NULL, *worker = NULL;
    assert(table->create(NULL, fakehost_host(fake), (struct orch_str){"{}", 2}, 1, &policy, &wants,
                         &error) == ORCH_OK);
    assert(table->worker_new(policy, 0, 1, 5, sizeof(struct orch_pick), 0, &worker) == ORCH_OK);

    struct orch_endpoint_cell cells[3] = {0};
    const struct orch_endpoint endpoints[3] = {{.id = {"a", 1}, .cell = &cells[0], .weight = 1},
                                               {.id = {"b", 1}, .cell = &cells[1], .weight = 1},
                                               {.id = {"c", 1}, .cell = &cells[2], .weight = 1}};
    const struct orch_endpoints snapshot = {.size = sizeof snapshot,
                                            .items = {endpoints, 3, sizeof endpoints[0]}};
    const struct orch_endpoints none = {.size = sizeof none};
    struct orch_pick pick = {.size = sizeof pick};
    int32_t seen[3] = {0};
    table->update(worker, &snapshot, NULL);
    for (int i = 0; i < 300; i++)
        seen[table->pick(worker, &pick)]++;
    assert(seen[0] == 100 && seen[1] == 100 && seen[2] == 100);

    const uint64_t all_but_b = 5, all = 7;
    pick.tried = &all_but_b;
    assert(table->pick(worker, &pick) == 1);
    pick.tried = &all;
    assert(table->pick(worker, &pick) == ORCH_PICK_NONE);
    pick.tried = NULL;
    table->update(worker, &none, NULL);
    assert(table->pick(worker, &pick) == ORCH_PICK_NONE);

    table->worker_free(worker);
    table->destroy(policy);
    fakehost_destroy(fake);
    return 0;
}
