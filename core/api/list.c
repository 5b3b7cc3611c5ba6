/* Lists: collected on the loop in slices, encoded on the API thread. */
#include "api/list.h"
#include "api/impl.h"
#include "base/clock.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_BUDGET_NS = 500 * 1000, SLICE_LOOK_EVERY = 16 };

struct list_job {
    struct loop_slice slice;
    struct request *request;
    const struct shown_kind *kind;
    list_filter *filter;
    const void *filter_data;
    struct selector selector;
    bool selected; /* there is a selector */
    bool descending;
    bool before; /* still looking at what comes before the page, to count it */
    size_t limit;
    const char *after;        /* NULL: from the first */
    char **fields;            /* NULL: all members */
    char at[SHOWN_KEY_BYTES]; /* the last one looked at; "": none */
    /* A window of the last or first `limit` that match: a ring where descending. */
    struct shown *items;
    size_t first, count;
    uint64_t total;
    bool more;
};

/* -- cursors -- */

char *cursor_encode(struct arena *arena, const char *key)
{
    gnutls_datum_t in = {(unsigned char *)key, (unsigned)strlen(key)}, out = {0};
    if (gnutls_base64_encode2(&in, &out) != 0)
        return arena_strdup(arena, "");
    char *text = arena_strndup(arena, (const char *)out.data, out.size);
    gnutls_free(out.data);
    for (char *c = text; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    text[strcspn(text, "=")] = 0;
    return text;
}

char *cursor_decode(struct arena *arena, const char *cursor)
{
    size_t length = strlen(cursor);
    char *padded = arena_alloc(arena, length + 4);
    for (size_t i = 0; i < length; i++)
        padded[i] = cursor[i] == '-' ? '+' : cursor[i] == '_' ? '/' : cursor[i];
    while (length % 4)
        padded[length++] = '=';
    gnutls_datum_t in = {(unsigned char *)padded, (unsigned)length}, out = {0};
    if (length == 0 || gnutls_base64_decode2(&in, &out) != 0)
        return NULL;
    bool fits = out.size > 0 && out.size < SHOWN_KEY_BYTES && !memchr(out.data, 0, out.size);
    char *key = fits ? arena_strndup(arena, (const char *)out.data, out.size) : NULL;
    gnutls_free(out.data);
    return key;
}

/* -- encoding [api] -- */

static void write_items(struct list_job *job, struct text *out)
{
    CLEANUP(text_finish) struct text one = {0};
    for (size_t i = 0; i < job->count; i++) {
        size_t at = job->descending ? job->count - 1 - i : i;
        const struct shown *shown = &job->items[(job->first + at) % job->limit];
        if (i)
            text_append_char(out, ',');
        if (!job->fields) {
            job->kind->write(shown->record, shown->soft, out);
            continue;
        }
        text_clear(&one);
        job->kind->write(shown->record, shown->soft, &one);
        shown_pick(one.data, one.length, job->fields, out);
    }
}

static void reply_list(struct request *request)
{
    struct list_job *job = request->data;
    struct text *out = &request->out;
    text_append_string(out, "{\"items\":[");
    write_items(job, out);
    text_append_string(out, "],\"next\":");
    if (job->more && job->count) {
        size_t last = job->descending ? 0 : job->count - 1;
        char scratch[SHOWN_KEY_BYTES];
        const char *key =
            job->kind->key(job->items[(job->first + last) % job->limit].record, scratch);
        text_append_format(out, "\"%s\"", cursor_encode(&request->arena, key));
    } else {
        text_append_string(out, "null");
    }
    text_append_format(out, ",\"total\":%llu,\"seq\":%llu}", (unsigned long long)job->total,
                       (unsigned long long)request->seq);
    request_reply(request, 200);
}

static void drop_list(struct request *request)
{
    struct list_job *job = request->data;
    for (size_t i = 0; i < job->count; i++)
        shown_release(&job->items[(job->first + i) % job->limit]);
    free(job->items);
}

/* -- collecting [loop] -- */

static bool matches(const struct list_job *job, const struct shown *shown)
{
    if (job->selected &&
        !selector_matches(&job->selector, job->kind->labels(shown->record, shown->soft)))
        return false;
    return !job->filter || job->filter(shown->record, shown->soft, job->filter_data);
}

static void keep(struct list_job *job, struct shown *take_shown)
{
    if (job->count < job->limit) {
        job->items[(job->first + job->count++) % job->limit] = *take_shown;
        return;
    }
    job->more = true;
    if (!job->descending) {
        shown_release(take_shown);
        return;
    }
    shown_release(&job->items[job->first]);
    job->items[job->first] = *take_shown;
    job->first = (job->first + 1) % job->limit;
}

static bool judges(const struct list_job *job)
{
    return job->filter || job->selected;
}

static void look(struct list_job *job, const struct record *record, bool on_page)
{
    if (!judges(job) && (!on_page || (!job->descending && job->count == job->limit))) {
        job->more |= on_page;
        job->total++;
        return; /* only counted */
    }
    struct shown shown = shown_take(job->request->parts, job->kind, record);
    if (!matches(job, &shown)) {
        shown_release(&shown);
        return;
    }
    job->total++;
    if (on_page)
        keep(job, &shown);
    else
        shown_release(&shown);
}

/* Where the page begins (or, descending, ends) as the records are now; NULL: at the end. */
static const struct record *boundary_of(const struct list_job *job)
{
    return job->kind->next(job->request->parts, job->after);
}

static bool list_step(void *argument)
{
    struct list_job *job = argument;
    const struct api_parts *parts = job->request->parts;
    loop_refresh_now(parts->loop);
    uint64_t until = loop_now_ns(parts->loop) + SLICE_BUDGET_NS;
    const struct record *boundary = job->before && job->after ? boundary_of(job) : NULL;
    const struct record *record = job->kind->next(parts, job->at[0] ? job->at : NULL);
    for (unsigned looks = 1; record; looks++) {
        char scratch[SHOWN_KEY_BYTES];
        const char *key = job->kind->key(record, scratch);
        if (job->before && record == boundary)
            job->before = false;
        bool at_cursor = job->after && strcmp(key, job->after) == 0;
        look(job, record, job->descending ? job->before && !at_cursor : !job->before);
        strncpy(job->at, key, sizeof job->at - 1);
        if (looks % SLICE_LOOK_EVERY == 0) {
            loop_refresh_now(parts->loop);
            if (loop_now_ns(parts->loop) >= until)
                return true;
        }
        record = job->kind->next(parts, job->at);
    }
    request_to_api(job->request, reply_list);
    return false;
}

static void collect(struct request *request)
{
    struct list_job *job = request->data;
    request->seq = state_settled_seq(request->parts->state);
    job->before = job->descending || job->after;
    loop_slice_init(&job->slice, request->parts->loop, "list", list_step, job);
    loop_slice_start(&job->slice);
}

/* -- parameters [api] -- */

static bool refuse(struct request *request, const char *name, const char *message)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    schema_faults_add(&faults, (struct schema_position){0}, name, "%s", message);
    request_fail_faults(request, &faults);
    return false;
}

static bool read_after(struct request *request, struct list_job *job)
{
    const char *given = request_query(request, "after");
    if (!given || !*given)
        return true;
    bool numbered = job->kind->id == KIND_EVENT || job->kind->id == KIND_AUDIT;
    if (numbered && !given[strspn(given, "0123456789")]) {
        job->after = given; /* the number says as much as a cursor */
        return true;
    }
    job->after = cursor_decode(&request->arena, given);
    return job->after || refuse(request, "after", "it is no cursor that a list gave as \"next\"");
}

static bool read_selector(struct request *request, struct list_job *job)
{
    struct error error;
    const char *given = request_query(request, "selector");
    if (!given || !*given)
        return true;
    if (!job->kind->labels)
        return refuse(request, "selector", "these objects have no labels");
    job->selected = true;
    return selector_parse(given, &request->arena, &job->selector, &error) ||
           refuse(request, "selector", error.message);
}

static bool read_fields(struct request *request, struct list_job *job)
{
    const char *given = request_query(request, "fields");
    if (!given || !*given)
        return true;
    size_t count = 2;
    for (const char *c = given; *c; c++)
        count += *c == ',';
    job->fields = arena_alloc(&request->arena, count * sizeof *job->fields);
    char *rest = arena_strdup(&request->arena, given), *word;
    for (count = 0; (word = strsep(&rest, ","));) {
        if (!shown_has_member(request->route->answers, word))
            return refuse(request, "fields",
                          arena_format(&request->arena, "there is no member \"%.60s\"", word));
        job->fields[count++] = word;
    }
    return true;
}

static bool read_order(struct request *request, struct list_job *job)
{
    const char *given = request_query(request, "order");
    job->descending = given && strcmp(given, "desc") == 0;
    if (!given || job->descending || strcmp(given, "asc") == 0)
        return true;
    return refuse(request, "order", "it must be asc or desc");
}

void list_reply(struct request *request, const struct shown_kind *kind, list_filter *filter,
                const void *filter_data)
{
    struct list_job *job = arena_alloc(&request->arena, sizeof *job);
    int64_t limit;
    job->request = request;
    job->kind = kind;
    job->filter = filter;
    job->filter_data = filter_data;
    if (!request_query_int(request, "limit", LIST_LIMIT, 1, LIST_LIMIT_MAX, &limit) ||
        !read_after(request, job) || !read_selector(request, job) || !read_fields(request, job) ||
        !read_order(request, job))
        return;
    job->limit = (size_t)limit;
    job->items = memory_alloc(job->limit * sizeof *job->items);
    request->data = job;
    request->drop = drop_list;
    request_to_loop(request, collect);
}
