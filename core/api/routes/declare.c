/* POST, PUT and PATCH of what users declare: all faults of a body at once, those of the table and
 * those that depend on other objects; then one write by the manager. */
#include "api/routes/impl.h"
#include "base/failpoint.h"

#include <stdio.h>
#include <string.h>

enum { PATCH_TRIES = 4 }; /* by the API thread; then the loop merges itself */

struct declare {
    const struct declared_kind *kind;
    enum write_mode mode;
    struct write_request write;
    struct schema_faults faults;
    void *wanted; /* in the arena */
    bool replicas_given;
    /* PATCH: */
    bool patch, version_given; /* the client said which version it means */
    int tries;
    const struct record *base; /* counted: what is merged onto */
};

static void drop(struct request *request)
{
    struct declare *declare = request->data;
    schema_faults_finish(&declare->faults);
    record_release(declare->base);
}

static struct declare *begin(struct request *request, const struct declared_kind *kind)
{
    struct declare *declare = arena_alloc(&request->arena, sizeof *declare);
    declare->kind = kind;
    request->data = declare;
    request->drop = drop;
    return request_write(request, &declare->write) ? declare : NULL;
}

static void answer_faults(struct request *request)
{
    const struct declare *declare = request->data;
    request_fail_faults(request, &declare->faults);
}

static void fetch(struct request *request);

/* On the loop: the rest of the checks, then the manager. */
static void apply(struct request *request)
{
    struct declare *declare = request->data;
    const struct declared_kind *kind = declare->kind;
    kind->check(request, declare->wanted, &declare->faults);
    if (declare->faults.count) {
        request_to_api(request, answer_faults);
        return;
    }
    FAILPOINT(api_before_command);
    if (kind->write(request, declare->mode, declare->wanted, declare->replicas_given,
                    &declare->write, &request->error))
        return;
    enum error_code code = request->error.code;
    if (code == ERROR_PRECONDITION_FAILED && declare->patch && !declare->version_given &&
        declare->tries <= PATCH_TRIES) {
        fetch(request); /* another change came between */
        return;
    }
    if (code != ERROR_VALIDATION) {
        request_fail_from_loop(request);
        return;
    }
    schema_faults_add_error(&declare->faults, &request->error);
    request_to_api(request, answer_faults);
}

/* The name stands in the path; in the body it may be left out, or be the same. */
static void read_named(struct request *request, json_t *body, const char *name)
{
    struct declare *declare = request->data;
    const json_t *given = json_object_get(body, "name");
    if (json_is_string(given) && strcmp(json_string_value(given), name) != 0)
        schema_faults_add(&declare->faults, (struct schema_position){0}, "name",
                          "must be left out or equal to the path's \"%s\"", name);
    if (!given)
        json_object_set_new(body, "name", json_string(name));
}

static void read_body(struct request *request, const json_t *body)
{
    struct declare *declare = request->data;
    const struct type *type = declare->kind->type;
    declare->wanted = arena_alloc(&request->arena, type->size);
    declare->replicas_given = schema_was_given(body, "replicas");
    schema_read_input(type, body, "", NULL, &request->arena, declare->wanted, &declare->faults);
    declare->kind->complete(request, declare->wanted, &declare->faults);
}

void declared_post(struct request *request, const struct declared_kind *kind)
{
    struct declare *declare = begin(request, kind);
    if (!declare)
        return;
    declare->mode = WRITE_CREATE;
    read_body(request, request->body);
    request_to_loop(request, apply);
}

void declared_put(struct request *request, const struct declared_kind *kind)
{
    struct declare *declare = begin(request, kind);
    if (!declare)
        return;
    declare->mode = WRITE_REPLACE;
    read_named(request, request->body, request->params[0]);
    read_body(request, request->body);
    request_to_loop(request, apply);
}

static json_t *declared_form(const struct type *type, const struct record *record)
{
    CLEANUP(text_finish) struct text text = {0};
    schema_write(type, record, SCHEMA_DECLARED, &text);
    return json_loadb(text.data, text.length, 0, NULL);
}

static void merge(struct request *request)
{
    struct declare *declare = request->data;
    json_t *target = declared_form(declare->kind->type, declare->base);
    json_t *merged = schema_merge_patch(target, request->body);
    read_named(request, merged, request->params[0]);
    read_body(request, merged);
    json_decref(target);
    json_decref(merged);
}

static void merge_and_apply(struct request *request)
{
    merge(request);
    request_to_loop(request, apply);
}

/* On the loop: the newest version, and the write on condition of it. */
static void fetch(struct request *request)
{
    struct declare *declare = request->data;
    const struct record *head = declare->kind->head(request->parts, request->params[0]);
    declare->tries++;
    if (!head) {
        error_set(&request->error, ERROR_NOT_FOUND, "there is no %s \"%s\"", declare->kind->what,
                  request->params[0]);
        request_fail_from_loop(request);
        return;
    }
    record_release(declare->base);
    declare->base = record_take_reference(head);
    if (!declare->version_given) {
        declare->write.has_if_match = true;
        declare->write.if_match_any = false;
        declare->write.if_match = head->version;
    } else if (!write_check_preconditions(&declare->write, head, &request->error)) {
        request_fail_from_loop(request);
        return;
    }
    if (declare->tries <= PATCH_TRIES) {
        request_to_api(request, merge_and_apply);
        return;
    }
    merge(request); /* in one turn, so that nothing can come between */
    apply(request);
}

void declared_patch(struct request *request, const struct declared_kind *kind)
{
    struct declare *declare = begin(request, kind);
    if (!declare)
        return;
    declare->mode = WRITE_REPLACE;
    declare->patch = true;
    declare->version_given = (declare->write.has_if_match && !declare->write.if_match_any) ||
                             declare->write.if_none_match_any;
    request_to_loop(request, fetch);
}
