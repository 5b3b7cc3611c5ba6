#undef NDEBUG /* the assertions are the test */
#include <assert.h>
#include <orchestrator/fakehost.h>
#include <orchestrator/store.h>
#include <string.h>

static void collect(void *context, struct orch_str key, struct orch_str value)
{
    strncat(context, key.ptr, key.len);
    strcat(context, "=");
    strncat(context, value.ptr, value.len);
    strcat(context, ";");
}

int main(void)
{
    struct fakehost *fake = fakehost_create();
    const struct orch_store_v1 *table =
        fakehost_table(fake, &orch_plugin_manifest_1, ORCH_STORE_1, NULL);
    const struct orch_store_open request = {.size = sizeof request};
    struct orch_store_limits limits = {.size = sizeof limits};
    struct orch_error error = {.size = sizeof error};
    void *store = NULL;
    assert(table->open(NULL, fakehost_host(fake), (struct orch_str){"{}", 2}, &request, &limits,
                       &store, &error) == ORCH_OK);

    const struct orch_store_op ops[] = {{ORCH_STORE_PUT, 0, {"b/2", 3}, {"two", 3}},
                                        {ORCH_STORE_PUT, 0, {"b/1", 3}, {"one", 3}},
                                        {ORCH_STORE_PUT, 0, {"a", 1}, {"0", 1}}};
    struct orch_store_txn txns[] = {
        {.size = sizeof txns[0],
         .expected_head = 0,
         .new_head = 1,
         .fence = 1,
         .ops = {ops, 3, sizeof ops[0]}},
        {.size = sizeof txns[0], .expected_head = 9, .new_head = 10, .fence = 1}};
    const struct orch_store_batch batch = {.size = sizeof batch, .txns = {txns, 2, sizeof txns[0]}};
    uint32_t applied = 0, more = 0;
    assert(table->apply(store, &batch, &applied, &error) == ORCH_E_CONFLICT);
    assert(applied == 1); /* the prefix is in */

    char found[64] = "";
    struct orch_store_list list = {.size = sizeof list, .prefix = {"b/", 2}, .limit = 1};
    assert(table->list(store, &list, (struct orch_store_entries){collect, found}, &more, &error) ==
           ORCH_OK);
    assert(more == 1 && strcmp(found, "b/1=one;") == 0);
    list.after = (struct orch_str){"b/1", 3};
    assert(table->list(store, &list, (struct orch_store_entries){collect, found}, &more, &error) ==
           ORCH_OK);
    assert(more == 0 && strcmp(found, "b/1=one;b/2=two;") == 0);

    table->close(store);
    fakehost_destroy(fake);
    return 0;
}
