#include "bench.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_begin(struct bench *bench, const struct orch_manifest *manifest)
{
    *bench = (struct bench){.table = manifest->provides[0].table, .config = "{}"};
    strcpy(bench->folder, "/tmp/store-test-XXXXXX");
    cr_assert_not_null(mkdtemp(bench->folder));
}

void bench_close(struct bench *bench)
{
    if (bench->store)
        bench->table->close(bench->store);
    bench->store = NULL;
}

void bench_end(struct bench *bench)
{
    char command[96];
    bench_close(bench);
    snprintf(command, sizeof command, "chmod 700 %s; rm -r %s", bench->folder, bench->folder);
    cr_assert_eq(system(command), 0);
}

static void reset_error(struct bench *bench)
{
    bench->error = (struct orch_error){.size = sizeof bench->error};
}

orch_status bench_open(struct bench *bench)
{
    const struct orch_store_open request = {
        .size = sizeof request, .state_directory = {bench->folder, strlen(bench->folder)}};
    reset_error(bench);
    bench->limits = (struct orch_store_limits){.size = sizeof bench->limits};
    return bench->table->open(NULL, NULL, (struct orch_str){bench->config, strlen(bench->config)},
                              &request, &bench->limits, &bench->store, &bench->error);
}

enum { OPS = 64 };

/* Cuts `words` in place. */
static uint32_t parse_ops(char *words, struct orch_store_op ops[OPS])
{
    uint32_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        cr_assert_lt(count, OPS);
        char *value = strchr(word, '=');
        struct orch_store_op *op = &ops[count++];
        *op = (struct orch_store_op){.kind = value ? ORCH_STORE_PUT : ORCH_STORE_DELETE};
        if (value) {
            op->key = (struct orch_str){word, (size_t)(value - word)};
            op->value = (struct orch_str){value + 1, strlen(value + 1)};
        } else {
            op->key = (struct orch_str){word + 1, strlen(word + 1)};
        }
    }
    return count;
}

orch_status bench_apply(struct bench *bench, const struct bench_txn *from, uint32_t *applied)
{
    struct orch_store_txn txns[8];
    struct orch_store_op ops[8][OPS];
    char *words[8];
    uint32_t count = 0;
    for (; from[count].ops; count++) {
        words[count] = memory_strdup(from[count].ops);
        txns[count] = (struct orch_store_txn){
            .size = sizeof txns[0],
            .expected_head = from[count].expected,
            .new_head = from[count].new_head,
            .fence = from[count].fence,
            .ops = {ops[count], parse_ops(words[count], ops[count]), sizeof ops[0][0]}};
    }
    const struct orch_store_batch batch = {.size = sizeof batch,
                                           .txns = {txns, count, sizeof txns[0]}};
    *applied = 99;
    reset_error(bench);
    orch_status status = bench->table->apply(bench->store, &batch, applied, &bench->error);
    while (count)
        free(words[--count]);
    return status;
}

orch_status bench_write(struct bench *bench, uint64_t expected, uint64_t new_head, uint64_t fence,
                        const char *ops)
{
    const struct bench_txn txns[] = {{expected, new_head, fence, ops}, {0}};
    uint32_t applied;
    return bench_apply(bench, txns, &applied);
}

struct page {
    struct text text;
    char last[256];
    uint64_t count;
};

static void collect(void *context, struct orch_str key, struct orch_str value)
{
    struct page *page = context;
    if (page->text.length)
        text_append_char(&page->text, ' ');
    text_append_format(&page->text, "%.*s=%.*s", (int)key.len, key.ptr, (int)value.len,
                       value.ptr ? value.ptr : "");
    snprintf(page->last, sizeof page->last, "%.*s", (int)key.len, key.ptr);
    page->count++;
}

char *bench_list(struct bench *bench, const char *prefix, uint64_t limit)
{
    struct page page = {0};
    uint32_t more = 1;
    while (more) {
        struct orch_store_list request = {.size = sizeof request,
                                          .prefix = {prefix, strlen(prefix)},
                                          .after = {page.last, strlen(page.last)},
                                          .limit = limit};
        uint64_t before = page.count;
        reset_error(bench);
        cr_assert_eq(bench->table->list(bench->store, &request,
                                        (struct orch_store_entries){collect, &page}, &more,
                                        &bench->error),
                     ORCH_OK, "%s", bench->error.message);
        cr_assert(!limit || page.count - before <= limit);
        cr_assert(!more || page.count > before, "a page without entries, and more to come");
    }
    return text_take(&page.text);
}

struct orch_store_head bench_head(struct bench *bench)
{
    struct orch_store_head head = {.size = sizeof head};
    reset_error(bench);
    cr_assert_eq(bench->table->head(bench->store, &head, &bench->error), ORCH_OK, "%s",
                 bench->error.message);
    return head;
}
