/* Filters, small commands and other parts that several handlers use. */
#include "api/routes/impl.h"
#include "api/planning.h"

#include <stdio.h>
#include <string.h>

const char *const list_query[] = {LIST_QUERY, NULL};
const struct type nothing_type = {.name = "Nothing", .doc = "No members."};

const char *const *type_words(const struct type *type, const char *field)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (strcmp(type->fields[i].name, field) == 0)
            return type->fields[i].words;
    return NULL;
}

struct words words_of_query(struct request *request, const char *name)
{
    const char *given = request_query(request, name);
    if (!given || !*given)
        return (struct words){0};
    char *rest = arena_strdup(&request->arena, given), *word;
    uint32_t count = 1;
    for (const char *p = given; *p; p++)
        count += *p == ',';
    const char **items = arena_alloc(&request->arena, count * sizeof *items);
    count = 0;
    while ((word = strsep(&rest, ",")))
        if (*word)
            items[count++] = word;
    return (struct words){.items = items, .count = count};
}

bool words_take(const struct words *words, const char *value)
{
    for (uint32_t i = 0; i < words->count; i++)
        if (strcmp(words->items[i], value) == 0)
            return true;
    return !words->count;
}

static uint32_t bit_of(const char *word, const char *const *known)
{
    for (uint32_t i = 0; known[i]; i++)
        if (strcmp(known[i], word) == 0)
            return 1U << (i + 1);
    return 0;
}

static void refuse_word(struct schema_faults *faults, const char *name, const char *word,
                        const char *const *known)
{
    CLEANUP(text_finish) struct text list = {0};
    size_t count = 0;
    for (; known[count]; count++)
        text_append_format(&list, "%s%s", count ? ", " : "", known[count]);
    const char *near = text_nearest(word, known, count);
    schema_faults_add(faults, (struct schema_position){0}, name, "\"%.40s\" is none of: %s%s%s%s",
                      word, text_string(&list), near ? "; did you mean \"" : "", near ? near : "",
                      near ? "\"?" : "");
}

bool words_read_enum(struct request *request, const char *name, const char *const *known,
                     uint32_t *bits)
{
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    struct words words = words_of_query(request, name);
    *bits = words.count ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < words.count; i++) {
        uint32_t bit = bit_of(words.items[i], known);
        if (!bit)
            refuse_word(&faults, name, words.items[i], known);
        *bits |= bit;
    }
    if (faults.count)
        request_fail_faults(request, &faults);
    return !faults.count;
}

static void run_action(struct request *request)
{
    const struct action *action = request->data;
    if (!action->ask(request, action, &request->error))
        request_fail_from_loop(request);
}

void action_begin(struct request *request, const struct type *type, action_ask *ask)
{
    struct action *action = arena_alloc(&request->arena, sizeof *action);
    action->ask = ask;
    request->data = action;
    if (!request_write(request, &action->write))
        return;
    schema_defaults(type, &request->arena, &action->body);
    if (request->body && !request_read(request, type, &action->body))
        return;
    request_to_loop(request, run_action);
}

static void reply_nothing(struct request *request)
{
    request_reply(request, 204);
}

void answer_gone(void *argument, const struct error *error, const struct write_result *result)
{
    struct request *request = argument;
    if (request->planning || (request->dry_run && !error)) {
        planning_take(request, error, result);
        return;
    }
    request->seq = state_settled_seq(request->parts->state);
    if (!error) {
        request_to_api(request, reply_nothing);
        return;
    }
    request->error = *error;
    request_fail_from_loop(request);
}

struct require {
    request_step *step;
};

static void find_deployment(struct request *request)
{
    const struct require *require = request->data;
    const char *name = request->params[0];
    request->seq = state_settled_seq(request->parts->state);
    if (deployment_manager_find(request->parts->deployments, name)) {
        request_to_api(request, require->step);
        return;
    }
    error_set(&request->error, ERROR_NOT_FOUND, "there is no deployment \"%s\"", name);
    request_fail_from_loop(request);
}

void require_deployment(struct request *request, request_step *step)
{
    struct require *require = arena_alloc(&request->arena, sizeof *require);
    require->step = step;
    request->data = require;
    request_to_loop(request, find_deployment);
}

enum { SURVEY_BUDGET_NS = 500 * 1000, SURVEY_LOOKS = 256 };

static bool survey_step(void *argument)
{
    struct survey *survey = argument;
    const struct api_parts *parts = survey->request->parts;
    char scratch[SHOWN_KEY_BYTES];
    loop_refresh_now(parts->loop);
    uint64_t until = loop_now_ns(parts->loop) + SURVEY_BUDGET_NS;
    for (int looks = 0; looks < SURVEY_LOOKS; looks++) {
        const struct record *record =
            survey->kind->next(parts, survey->after[0] ? survey->after : NULL);
        if (!record) {
            survey->done(survey->request);
            return false; /* the survey may be gone, or have begun another */
        }
        survey->visit(survey->request, record);
        snprintf(survey->after, sizeof survey->after, "%s", survey->kind->key(record, scratch));
        loop_refresh_now(parts->loop);
        if (loop_now_ns(parts->loop) >= until)
            break;
    }
    return true;
}

void survey_start(struct survey *survey, struct request *request, const struct shown_kind *kind,
                  survey_visit *visit, request_step *done)
{
    *survey = (struct survey){.request = request, .kind = kind, .visit = visit, .done = done};
    loop_slice_init(&survey->slice, request->parts->loop, "survey", survey_step, survey);
    loop_slice_start(&survey->slice);
}

void list_close(struct request *request, uint64_t total)
{
    text_append_format(&request->out, "],\"next\":null,\"total\":%llu,\"seq\":%llu}",
                       (unsigned long long)total, (unsigned long long)request->seq);
}

void shown_nothing_soft(const struct api_parts *parts, const struct record *record, void *soft)
{
    (void)parts, (void)record, (void)soft;
}

uint64_t shown_own_seq(const struct record *record, const void *soft)
{
    (void)soft;
    return record->seq;
}

const char *shown_number(const struct record *record, char scratch[SHOWN_KEY_BYTES])
{
    snprintf(scratch, SHOWN_KEY_BYTES, "%llu", (unsigned long long)record->seq);
    return scratch;
}
