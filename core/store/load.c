/* Opening the store and loading all records. Listing and parsing happen on the store thread, a page
 * at a time; the loop puts the records into its indexes in slices meanwhile. */
#include "store/impl.h"
#include "base/failpoint.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Records in key order, kind by kind. */
struct page {
    struct loop_task task;
    struct page *next;
    struct loading *loading;
    size_t count, inserted;
    struct record *records[];
};
enum { PAGE_RECORDS = 10000 };
struct loading {
    struct loop_job job;
    struct loop_slice slice;
    struct state *state;
    void (*opened)(void *argument, const struct error *error);
    void *argument;
    struct page *filling;      /* on the store thread */
    struct page *first, *last; /* on the loop: to be inserted */
    struct arena arena;        /* of the page that is being parsed */
    bool listed;
    struct orch_store_head head;
    struct error error;
    bool failed;
    const struct record_kind *kind; /* being listed */
    char last_key[1024];
};

static void take_page(struct loop_task *task);

/* To the loop. */
static void hand_over(struct loading *loading)
{
    struct page *page = loading->filling;
    loading->filling = NULL;
    arena_finish(&loading->arena);
    if (!page)
        return;
    page->task = (struct loop_task){.run = take_page, .name = "load"};
    loop_post(loading->state->loop, &page->task);
}

static void add_entry(void *context, struct orch_str key, struct orch_str value)
{
    struct loading *loading = context;
    struct error error;
    snprintf(loading->last_key, sizeof loading->last_key, "%.*s", (int)key.len, key.ptr);
    if (loading->failed)
        return;
    void *filled = arena_alloc(&loading->arena, loading->kind->type->size);
    if (!schema_read_stored(loading->kind->type, value.ptr, value.len, &loading->arena, filled,
                            &error)) {
        loading->failed = true;
        loading->error = error;
        error_wrap(&loading->error, "the stored record %s", loading->last_key);
        return;
    }
    if (!loading->filling) {
        loading->filling =
            memory_alloc(sizeof *loading->filling + PAGE_RECORDS * sizeof(struct record *));
        loading->filling->loading = loading;
    }
    struct page *page = loading->filling;
    page->records[page->count++] = record_create(loading->kind, filled);
    if (page->count == PAGE_RECORDS)
        hand_over(loading);
}

static void list_kind(struct loading *loading, const struct record_kind *kind)
{
    struct state *state = loading->state;
    uint32_t more = 1;
    loading->kind = kind;
    loading->last_key[0] = 0;
    while (more && !loading->failed) {
        struct orch_store_list request = {.size = sizeof request,
                                          .prefix = {kind->prefix, strlen(kind->prefix)},
                                          .after = {loading->last_key, strlen(loading->last_key)},
                                          .limit = 10000};
        struct orch_error error = {.size = sizeof error};
        orch_status status = state->config.store->list(
            state->store, &request,
            (struct orch_store_entries){.entry = add_entry, .context = loading}, &more, &error);
        if (status != ORCH_OK) {
            loading->failed = true;
            error_set(&loading->error, ERROR_IO, "cannot list the store: %s", error.message);
        }
    }
}

static void load(struct loop_job *job)
{
    struct loading *loading = CONTAINER_OF(job, struct loading, job);
    struct state *state = loading->state;
    const struct state_config *config = &state->config;
    struct orch_store_open request = {
        .size = sizeof request,
        .state_directory = {config->state_directory,
                            config->state_directory ? strlen(config->state_directory) : 0}};
    struct orch_str json = {config->config_json, strlen(config->config_json)};
    struct orch_error error = {.size = sizeof error};
    state->limits = (struct orch_store_limits){.size = sizeof state->limits};
    loading->head = (struct orch_store_head){.size = sizeof loading->head};
    if (config->store->open(config->module, config->host, json, &request, &state->limits,
                            &state->store, &error) != ORCH_OK ||
        config->store->head(state->store, &loading->head, &error) != ORCH_OK) {
        loading->failed = true;
        error_set(&loading->error, ERROR_IO, "cannot open the store: %s", error.message);
        return;
    }
    for (int i = 0; i < KIND_COUNT && !loading->failed; i++)
        list_kind(loading, state->indexes[i].kind);
    hand_over(loading);
}

static void free_page(struct loading *loading)
{
    struct page *page = loading->first;
    loading->first = page->next;
    for (size_t i = page->inserted; i < page->count; i++)
        record_release(page->records[i]);
    free(page);
}

static void finish(struct loading *loading, const struct error *error)
{
    loop_slice_stop(&loading->slice);
    while (loading->first)
        free_page(loading);
    loading->opened(loading->argument, error);
    free(loading);
}

static void first_written(void *argument, const struct error *error)
{
    struct loading *loading = argument;
    struct state *state = loading->state;
    if (error) {
        finish(loading, error);
        return;
    }
    FAILPOINT(store_first_written);
    struct meta probe = {.record.kind = &meta_kind};
    const struct meta *meta =
        (const struct meta *)state_find(state, STATE_COMMITTED, &probe.record);
    state->seq_bound = (uint64_t)meta->seq_bound;
    state->trouble[0] = 0;
    state->opened = true;
    finish(loading, NULL);
}

/* Takes a new fence and a new bound of numbers before anything else is written. */
static void write_first(struct loading *loading)
{
    struct state *state = loading->state;
    char uid[ID_UID_BYTES];
    struct meta probe = {.record.kind = &meta_kind};
    const struct meta *old = (const struct meta *)state_find(state, STATE_COMMITTED, &probe.record);
    struct meta meta = old ? *old : (struct meta){0};
    if (!old) {
        id_make_uid(loop_random_source(state->loop), uid);
        meta.record.uid = uid;
        meta.record.created_at_ms = loop_wall_ms(state->loop);
    }
    snprintf(state->cluster_uid, sizeof state->cluster_uid, "%s", meta.record.uid);
    state->head = loading->head.head;
    state->seq = state->head;
    if ((uint64_t)meta.seq_bound > state->seq)
        state->seq = (uint64_t)meta.seq_bound;
    uint64_t fence = loading->head.fence;
    if ((uint64_t)meta.fence > fence)
        fence = (uint64_t)meta.fence;
    state->fence = fence + 1;
    meta.fence = (int64_t)state->fence;
    meta.seq_bound = (int64_t)state->seq + (1 << 20);
    state->seq_bound = (uint64_t)meta.seq_bound;
    struct txn *txn = txn_begin(state, (struct origin){.by = "state"});
    txn_put(txn, record_create(&meta_kind, &meta));
    txn_submit(txn, first_written, loading);
}

static void insert(struct state *state, struct record *record)
{
    struct index *index = &state->indexes[record->kind->id];
    struct index_entry *entry = index_insert(index, record);
    *entry = (struct index_entry){.committed = record, .head = record_take_reference(record)};
    index->committed_count++;
}

static bool insert_some(void *argument)
{
    enum { RECORDS_AT_ONCE = 1000 };
    struct loading *loading = argument;
    struct page *page = loading->first;
    for (int i = 0; page && i < RECORDS_AT_ONCE && page->inserted < page->count; i++)
        insert(loading->state, page->records[page->inserted++]);
    if (page && page->inserted == page->count)
        free_page(loading);
    if (loading->first)
        return true;
    if (loading->listed && loading->failed)
        finish(loading, &loading->error);
    else if (loading->listed)
        write_first(loading);
    return false;
}

static void take_page(struct loop_task *task)
{
    struct page *page = CONTAINER_OF(task, struct page, task);
    struct loading *loading = page->loading;
    if (loading->first)
        loading->last->next = page;
    else
        loading->first = page;
    loading->last = page;
    loop_slice_start(&loading->slice);
}

/* After the last page, which was posted before. */
static void loaded(struct loop_job *job)
{
    struct loading *loading = CONTAINER_OF(job, struct loading, job);
    FAILPOINT(store_listed);
    loading->listed = true;
    loop_slice_start(&loading->slice);
}

void state_open(struct state *state, void (*opened)(void *argument, const struct error *error),
                void *argument)
{
    struct loading *loading = memory_alloc(sizeof *loading);
    *loading = (struct loading){.state = state,
                                .opened = opened,
                                .argument = argument,
                                .job = {.work = load, .done = loaded, .name = "load"}};
    loop_slice_init(&loading->slice, state->loop, "load", insert_some, loading);
    if (loop_lane_offload(state->lane, &loading->job))
        return;
    struct error error;
    error_set(&error, ERROR_INTERNAL, "the store's thread does not run");
    finish(loading, &error);
}
