/* Schedulers: the same answer to the same question, whatever the order and the thread. */
#include "check.h"

#include <orchestrator/scheduler.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { NODES = 32, RESOURCES = 3, LABEL_LIMIT = 8 };

/* Made up, but always the same: sizes differ, some nodes are full, some carry replicas. */
struct cluster {
    int64_t spare[RESOURCES][NODES], capacity[RESOURCES][NODES];
    uint32_t codes[NODES], replicas[NODES], candidates[NODES];
    uint64_t hashes[NODES];
    struct orch_resource_column columns[RESOURCES];
    struct orch_label_column labels[LABEL_LIMIT];
    struct orch_ask_amount amounts[2];
    struct orch_sched_view view;
    struct orch_sched_ask ask;
};

static void cluster_init(struct cluster *cluster, const struct orch_sched_wants *wants)
{
    static const char *const names[RESOURCES] = {"cpu", "memory", "containers"};
    static const struct orch_str words[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
    static const int64_t scale[RESOURCES] = {1000, INT64_C(1) << 30, 10};
    *cluster = (struct cluster){0};
    for (uint32_t n = 0; n < NODES; n++) {
        for (uint32_t r = 0; r < RESOURCES; r++) {
            cluster->capacity[r][n] = scale[r] * (4 + n % 4);
            cluster->spare[r][n] = cluster->capacity[r][n] * ((n * 7 + r * 3) % 10 + 1) / 10;
        }
        cluster->codes[n] = n % 4 == 3 ? UINT32_MAX : n % 4;
        cluster->replicas[n] = n % 5 == 0;
        cluster->candidates[n] = n;
        cluster->hashes[n] = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    }
    for (uint32_t r = 0; r < RESOURCES; r++)
        cluster->columns[r] = (struct orch_resource_column){
            {names[r], strlen(names[r])}, cluster->spare[r], cluster->capacity[r]};
    uint32_t labels = wants->labels.count < LABEL_LIMIT ? wants->labels.count : LABEL_LIMIT;
    for (uint32_t i = 0; i < labels; i++)
        cluster->labels[i] = (struct orch_label_column){*ORCH_AT(struct orch_str, wants->labels, i),
                                                        cluster->codes, words, 3, 0};
    cluster->amounts[0] = (struct orch_ask_amount){.resource = 0, .amount = 250};
    cluster->amounts[1] = (struct orch_ask_amount){.resource = 1, .amount = 64 << 20};
    cluster->view = (struct orch_sched_view){
        .size = sizeof cluster->view,
        .node_count = NODES,
        .revision = 1,
        .resources = {cluster->columns, RESOURCES, sizeof cluster->columns[0]},
        .labels = {cluster->labels, labels, sizeof cluster->labels[0]},
        .node_hashes = cluster->hashes};
    cluster->ask =
        (struct orch_sched_ask){.size = sizeof cluster->ask,
                                .deployment = {"check", 5},
                                .seed = 42,
                                .amounts = {cluster->amounts, 2, sizeof cluster->amounts[0]},
                                .replicas = cluster->replicas};
}

struct scoring {
    const struct orch_scheduler_v1 *table;
    void *scheduler;
    const struct cluster *cluster;
    const uint32_t *candidates;
    uint32_t count;
    int64_t scores[NODES + 1];
    uint32_t reasons[NODES + 1];
    struct orch_error error;
    orch_status status;
};

static void *score(void *argument)
{
    struct scoring *scoring = argument;
    int32_t before = plugin_thread_mark(ORCH_THREAD_POOL);
    scoring->error.size = sizeof scoring->error;
    scoring->scores[scoring->count] = 0x5a5a; /* beyond what it may write */
    scoring->reasons[scoring->count] = 0x5a5a;
    scoring->status = scoring->table->score(
        scoring->scheduler, &scoring->cluster->view, &scoring->cluster->ask, scoring->candidates,
        scoring->count, 0, scoring->scores, scoring->reasons, &scoring->error);
    plugin_thread_mark(before);
    return NULL;
}

static bool same(const struct scoring *a, const struct scoring *b)
{
    return memcmp(a->scores, b->scores, a->count * sizeof a->scores[0]) == 0;
}

static void check_threads(struct check *check, const struct scoring *first)
{
    struct scoring again[2] = {*first, *first};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, score, &again[i]) != 0)
            return;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    check_that(check, same(first, &again[0]) && same(first, &again[1]),
               "score: two calls at once on two threads answer the same");
}

static void check_order(struct check *check, const struct scoring *first)
{
    uint32_t reversed[NODES];
    struct scoring backward = *first;
    bool equal = true;
    for (uint32_t i = 0; i < NODES; i++)
        reversed[i] = NODES - 1 - i;
    backward.candidates = reversed;
    score(&backward);
    for (uint32_t i = 0; i < NODES; i++)
        equal &= backward.scores[i] == first->scores[NODES - 1 - i];
    check_that(check, equal, "score: the order of the candidates changes no node's score");
}

static void count_bytes(void *context, const char *bytes, size_t length)
{
    (void)bytes;
    *(size_t *)context += length;
}

static void check_reasons(struct check *check, const struct scoring *scoring)
{
    bool worded = true;
    for (uint32_t i = 0; scoring->table->explain && i < scoring->count; i++) {
        size_t length = 0;
        if (scoring->scores[i] != ORCH_SCORE_VETO)
            continue;
        scoring->table->explain(scoring->scheduler, scoring->reasons[i], 0,
                                (struct orch_sink){count_bytes, &length});
        worded &= length > 0;
    }
    check_that(check, worded, "explain: every veto's reason has words");
}

static void check_scoring(struct check *check, const struct orch_scheduler_v1 *table,
                          void *scheduler, const struct orch_sched_wants *wants)
{
    struct cluster cluster, before;
    cluster_init(&cluster, wants);
    before = cluster;
    struct scoring first = {.table = table,
                            .scheduler = scheduler,
                            .cluster = &cluster,
                            .candidates = cluster.candidates,
                            .count = NODES};
    score(&first);
    if (!check_ok(check, first.status, &first.error, "score"))
        return;
    struct scoring second = first, none = first;
    score(&second);
    check_that(check, same(&first, &second), "score: the same question gets the same answer");
    check_that(check, first.scores[NODES] == 0x5a5a && first.reasons[NODES] == 0x5a5a,
               "score: writes no more than there are candidates");
    check_that(check, memcmp(&before, &cluster, sizeof cluster) == 0,
               "score: leaves the columns as they are");
    none.count = 0;
    score(&none);
    check_that(check, none.status == ORCH_OK, "score: no candidates are fine");
    check_order(check, &first);
    check_threads(check, &first);
    check_reasons(check, &first);
}

void check_scheduler(struct check *check)
{
    const struct orch_scheduler_v1 *table = plugin_get_table(check->plugin);
    struct orch_sched_wants *wants = guarded_create(sizeof *wants);
    struct orch_error *error = guarded_create(sizeof *error);
    void *scheduler = NULL;
    orch_status status = table->create(
        plugin_get_module(check->plugin), &plugin_get_host(check->plugin)->orch,
        (struct orch_str){check->config, strlen(check->config)}, &scheduler, wants, error);
    check_that(check, guarded_intact(wants, sizeof *wants) && guarded_intact(error, sizeof *error),
               "create: writes nothing beyond the size it was given");
    if (check_ok(check, status, error, "create")) {
        check_that(check,
                   wants->score_scope >= ORCH_SCORE_NODE && wants->score_scope <= ORCH_SCORE_ALL,
                   "create: says on what a score depends (score_scope)");
        check_that(check, wants->score_scope != ORCH_SCORE_GROUP || wants->group_label.len,
                   "create: names the label of its groups");
        check_scoring(check, table, scheduler, wants);
        table->destroy(scheduler);
    }
    guarded_destroy(wants);
    guarded_destroy(error);
}
