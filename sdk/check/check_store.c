/* Stores: order, pages, compare and swap, and what is left after closing. */
#include "base/text.h"
#include "check.h"

#include <orchestrator/store.h>
#include <stdio.h>
#include <string.h>

struct bench {
    struct check *check;
    const struct orch_store_v1 *table;
    void *store;
    struct orch_error error;
};

static struct orch_str str(const char *string)
{
    return (struct orch_str){string, strlen(string)};
}

static struct orch_store_op put(const char *key, const char *value)
{
    return (struct orch_store_op){ORCH_STORE_PUT, 0, str(key), str(value)};
}

static orch_status apply(struct bench *bench, const struct orch_store_txn *txns, uint32_t count,
                         uint32_t *applied)
{
    const struct orch_store_batch batch = {.size = sizeof batch,
                                           .txns = {txns, count, sizeof *txns}};
    return bench->table->apply(bench->store, &batch, applied, &bench->error);
}

static void collect(void *context, struct orch_str key, struct orch_str value)
{
    struct text *text = context;
    text_append(text, key.ptr, key.len);
    text_append_char(text, '=');
    text_append(text, value.ptr, value.len);
    text_append_char(text, ' ');
}

/* Everything under a prefix, in pages of `limit`. */
static char *listed(struct bench *bench, const char *prefix, uint64_t limit)
{
    struct text text = {0}, page CLEANUP(text_finish) = {0};
    struct orch_store_list request = {
        .size = sizeof request, .prefix = str(prefix), .limit = limit};
    char after[256] = "";
    for (uint32_t more = 1, pages = 0; more && pages < 100; pages++) {
        text_clear(&page);
        request.after = str(after);
        if (bench->table->list(bench->store, &request, (struct orch_store_entries){collect, &page},
                               &more, &bench->error) != ORCH_OK)
            break;
        text_append(&text, text_string(&page), page.length);
        const char *last = text_string(&page), *space;
        while ((space = strchr(last, ' ')) && space[1])
            last = space + 1;
        (void)snprintf(after, sizeof after, "%.*s", (int)strcspn(last, "="), last);
    }
    return text.data ? text_take(&text) : memory_strdup("");
}

static void expect_list(struct bench *bench, const char *prefix, uint64_t limit, const char *wanted,
                        const char *sentence)
{
    char *found CLEANUP(memory_free_pointer) = listed(bench, prefix, limit);
    if (!check_that(bench->check, strcmp(found, wanted) == 0, "%s", sentence))
        printf("       expected %s\n       got      %s\n", wanted, found);
}

static uint64_t head_of(struct bench *bench)
{
    struct orch_store_head head = {.size = sizeof head};
    if (bench->table->head(bench->store, &head, &bench->error) != ORCH_OK)
        return UINT64_MAX;
    return head.head;
}

static bool open_store(struct bench *bench)
{
    struct check *check = bench->check;
    const struct orch_store_open request = {.size = sizeof request,
                                            .state_directory = str(check->folder)};
    struct orch_store_limits *limits = guarded_create(sizeof *limits);
    bench->error = (struct orch_error){.size = sizeof bench->error};
    orch_status status =
        bench->table->open(plugin_get_module(check->plugin), &plugin_get_host(check->plugin)->orch,
                           str(check->config), &request, limits, &bench->store, &bench->error);
    bool opened = check_ok(check, status, &bench->error, "open");
    check_that(check, guarded_intact(limits, sizeof *limits),
               "open: writes nothing beyond the size it was given");
    if (opened)
        check_that(check, limits->max_operations && limits->max_bytes && limits->max_value_bytes,
                   "open: states its limits");
    guarded_destroy(limits);
    return opened;
}

static void check_writes(struct bench *bench)
{
    const struct orch_store_op first[] = {put("b/2", "two"), put("b/10", "ten"), put("a", "0"),
                                          put("b/1", "one"), put("c", "")};
    const struct orch_store_op second[] = {put("b/1", "uno"),
                                           {ORCH_STORE_DELETE, 0, {"a", 1}, {NULL, 0}},
                                           {ORCH_STORE_DELETE, 0, {"never", 5}, {NULL, 0}}};
    struct orch_store_txn txns[] = {{.size = sizeof txns[0],
                                     .expected_head = 0,
                                     .new_head = 5,
                                     .fence = 3,
                                     .ops = {first, 5, sizeof first[0]}},
                                    {.size = sizeof txns[0],
                                     .expected_head = 5,
                                     .new_head = 9,
                                     .fence = 3,
                                     .ops = {second, 3, sizeof second[0]}},
                                    {.size = sizeof txns[0],
                                     .expected_head = 5,
                                     .new_head = 12,
                                     .fence = 3,
                                     .ops = {first, 5, sizeof first[0]}}};
    uint32_t applied = 99;
    orch_status status = apply(bench, txns, 3, &applied);
    check_that(bench->check, status == ORCH_E_CONFLICT && applied == 2,
               "apply: the prefix is in, the next conflicts (CONFLICT after 2; got %s after %u)",
               plugin_status_word(status), applied);
    check_that(bench->check, head_of(bench) == 9, "head: is the last transaction's");
    expect_list(bench, "", 0, "b/1=uno b/10=ten b/2=two c= ", "list: by bytes of the key");
    expect_list(bench, "b/", 0, "b/1=uno b/10=ten b/2=two ", "list: by prefix");
    expect_list(bench, "b/", 1, "b/1=uno b/10=ten b/2=two ", "list: in pages");
    expect_list(bench, "zzz", 0, "", "list: of nothing");
    txns[2].expected_head = 9;
    txns[2].fence = 2;
    status = apply(bench, &txns[2], 1, &applied);
    check_that(bench->check, status == ORCH_E_FENCED && applied == 0,
               "apply: an old fence is refused (FENCED; got %s)", plugin_status_word(status));
    check_that(bench->check, head_of(bench) == 9, "head: a refused transaction moves nothing");
    status = apply(bench, NULL, 0, &applied);
    check_that(bench->check, status == ORCH_OK && applied == 0, "apply: nothing is fine");
}

void check_store(struct check *check)
{
    struct bench bench = {.check = check, .table = plugin_get_table(check->plugin)};
    int32_t before = plugin_thread_mark(ORCH_THREAD_STORE);
    if (open_store(&bench)) {
        if (check_that(check, head_of(&bench) == 0, "head: 0 in an empty store"))
            check_writes(&bench);
        bench.table->close(bench.store);
        if (open_store(&bench)) {
            uint64_t head = head_of(&bench);
            check_that(check, head == 9 || head == 0, "open again: everything or nothing is there");
            if (head == 9)
                expect_list(&bench, "", 0, "b/1=uno b/10=ten b/2=two c= ",
                            "open again: what was written is there");
            else
                printf("  note it keeps nothing when closed: for tests only\n");
            bench.table->close(bench.store);
        }
    }
    plugin_thread_mark(before);
}
