/* Opening the store and loading all records. Listing happens on the store thread, a page at a time;
 * full pages are parsed on the pool meanwhile, and the loop puts the records into its indexes in
 * slices, in the order in which they were listed. */
#include "store/impl.h"
#include "base/failpoint.h"
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_RECORDS = 2000, PAGES_AHEAD = 6, LIST_LIMIT = 10000, KEY_LIMIT = 1024 };
/* One entry: where its key and its value lie in the page's text, then what was read from it. */
struct row {
    uint32_t key, value, end;
    struct record *record;
};
/* Records of one kind, in the order of their keys. */
struct page {
    struct loop_task task;
    struct loop_job job;
    struct page *next;
    struct loading *loading;
    const struct record_kind *kind;
    struct text text;
    size_t count, read, inserted;
    bool parsed;        /* known to whom it belongs: the store thread, then the loop */
    struct error error; /* why not all of it was read; ERROR_NONE */
    struct row rows[PAGE_RECORDS];
};
struct loading {
    struct loop_job job;
    struct loop_slice slice;
    struct state *state;
    void (*opened)(void *argument, const struct error *error);
    void *argument;
    struct page *filling;      /* on the store thread */
    struct page *first, *last; /* on the loop: to be inserted */
    atomic_uint ahead;         /* pages that wait for the pool */
    atomic_bool stop;          /* a page was not readable */
    bool listed;
    struct orch_store_head head;
    struct error error; /* of listing: the store thread's, then the loop's */
    bool failed;
    struct error unreadable;        /* of the first such page, on the loop */
    const struct record_kind *kind; /* being listed */
    char last_key[KEY_LIMIT];
};

/* -- one page, on any thread -- */

static bool has_key(const struct page *page, const struct row *row, struct text *own)
{
    text_clear(own);
    text_append_string(own, page->kind->prefix);
    page->kind->key(row->record, own);
    size_t length = row->value - row->key;
    return own->length == length && memcmp(own->data, page->text.data + row->key, length) == 0;
}

static bool read_row(struct page *page, struct row *row, struct arena *arena, struct text *own)
{
    const char *value = page->text.data + row->value;
    void *filled = arena_alloc(arena, page->kind->type->size);
    bool good = schema_read_stored(page->kind->type, value, row->end - row->value, arena, filled,
                                   &page->error);
    if (good) {
        row->record = record_create(page->kind, filled);
        page->read++;
        if (page->kind->has_uid && !row->record->uid)
            error_set(&page->error, ERROR_IO, "%s: \"uid\" is missing", page->kind->type->name);
        else if (has_key(page, row, own))
            return true;
        else
            error_set(&page->error, ERROR_IO, "what it says belongs to \"%s\"", text_string(own));
    }
    error_wrap(&page->error, "the stored record %.*s", (int)(row->value - row->key),
               page->text.data + row->key);
    return false;
}

static void parse(struct page *page)
{
    enum { SCRATCH_BYTES = 64 * 1024 }; /* stays in a core's own cache */
    CLEANUP(arena_finish) struct arena arena = {0};
    CLEANUP(text_finish) struct text own = {0};
    for (size_t i = 0; i < page->count && read_row(page, &page->rows[i], &arena, &own); i++)
        if (arena.used_bytes > SCRATCH_BYTES)
            arena_finish(&arena);
    text_finish(&page->text);
    if (page->read < page->count || page->error.code != ERROR_NONE)
        atomic_store(&page->loading->stop, true);
}

static void parse_on_pool(struct loop_job *job)
{
    struct page *page = CONTAINER_OF(job, struct page, job);
    atomic_fetch_sub(&page->loading->ahead, 1);
    parse(page);
}

/* -- on the store thread -- */

static void take_page(struct loop_task *task);

/* To the loop. A page that is not full is not worth another thread, and what the pool would have
 * to keep is bounded: those are parsed here. */
static void hand_over(struct loading *loading)
{
    struct page *page = loading->filling;
    loading->filling = NULL;
    if (!page)
        return;
    page->parsed = page->count < PAGE_RECORDS || atomic_load(&loading->ahead) >= PAGES_AHEAD;
    if (page->parsed)
        parse(page);
    else
        atomic_fetch_add(&loading->ahead, 1);
    page->task = (struct loop_task){.run = take_page, .name = "load"};
    loop_post(loading->state->loop, &page->task);
}

static bool fail(struct loading *loading, const char *what)
{
    loading->failed = true;
    return error_set(&loading->error, ERROR_IO, "cannot list the store: %s", what);
}

/* Pages go on from the last key, and two records of one key would be one object twice. */
static bool take_key(struct loading *loading, struct orch_str key)
{
    if (key.len >= KEY_LIMIT)
        return fail(loading, "a key is too long");
    if (!key.len || memchr(key.ptr, 0, key.len))
        return fail(loading, "a key is no text");
    char *last = loading->last_key;
    size_t length = strlen(last), shorter = length < key.len ? length : key.len;
    int order = memcmp(last, key.ptr, shorter);
    if (order > 0 || (order == 0 && length >= key.len))
        return fail(loading, "its keys come in no order");
    memcpy(last, key.ptr, key.len);
    last[key.len] = 0;
    return true;
}

static void add_entry(void *context, struct orch_str key, struct orch_str value)
{
    struct loading *loading = context;
    if (loading->failed || !take_key(loading, key))
        return;
    if (!loading->filling) {
        loading->filling = memory_alloc(sizeof *loading->filling);
        loading->filling->loading = loading;
        loading->filling->kind = loading->kind;
    }
    struct page *page = loading->filling;
    struct text *text = &page->text;
    if (value.len > UINT32_MAX - text->length - key.len) {
        (void)fail(loading, "a record is too long");
        return;
    }
    struct row *row = &page->rows[page->count++];
    row->key = (uint32_t)text->length;
    text_append(text, key.ptr, key.len);
    row->value = (uint32_t)text->length;
    text_append(text, value.ptr, value.len);
    row->end = (uint32_t)text->length;
    if (page->count == PAGE_RECORDS)
        hand_over(loading);
}

static void list_kind(struct loading *loading, const struct record_kind *kind)
{
    struct state *state = loading->state;
    uint32_t more = 1;
    char after[KEY_LIMIT]; /* stays as it is during the call */
    loading->kind = kind;
    loading->last_key[0] = 0;
    while (more && !loading->failed && !atomic_load(&loading->stop)) {
        memcpy(after, loading->last_key, sizeof after);
        struct orch_store_list request = {.size = sizeof request,
                                          .prefix = {kind->prefix, strlen(kind->prefix)},
                                          .after = {after, strlen(after)},
                                          .limit = LIST_LIMIT};
        struct orch_error error = {.size = sizeof error};
        orch_status status = state->config.store->list(
            state->store, &request,
            (struct orch_store_entries){.entry = add_entry, .context = loading}, &more, &error);
        if (status != ORCH_OK)
            (void)fail(loading, error.message);
    }
    hand_over(loading);
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
    loading->failed = !limits_take(&state->limits, &loading->error);
    for (int i = 0; i < KIND_COUNT && !loading->failed; i++)
        list_kind(loading, state->indexes[i].kind);
}

/* -- on the loop -- */

static void free_page(struct loading *loading)
{
    struct page *page = loading->first;
    loading->first = page->next;
    for (size_t i = page->inserted; i < page->read; i++)
        record_release(page->rows[i].record);
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
    if (page && !page->parsed)
        return false; /* on the pool yet */
    if (page && page->error.code != ERROR_NONE && loading->unreadable.code == ERROR_NONE)
        loading->unreadable = page->error;
    for (int i = 0; page && i < RECORDS_AT_ONCE && page->inserted < page->read; i++)
        insert(loading->state, page->rows[page->inserted++].record);
    if (page && page->inserted == page->read)
        free_page(loading);
    if (loading->first)
        return true;
    if (!loading->listed)
        return false;
    if (loading->unreadable.code != ERROR_NONE)
        finish(loading, &loading->unreadable);
    else if (loading->failed)
        finish(loading, &loading->error);
    else
        write_first(loading);
    return false;
}

static void parsed(struct loop_job *job)
{
    struct page *page = CONTAINER_OF(job, struct page, job);
    page->parsed = true;
    loop_slice_start(&page->loading->slice);
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
    page->job = (struct loop_job){.work = parse_on_pool, .done = parsed, .name = "parse records"};
    if (page->parsed)
        loop_slice_start(&loading->slice);
    else if (!loop_offload(loading->state->loop, &page->job)) {
        parse_on_pool(&page->job);
        parsed(&page->job);
    }
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
