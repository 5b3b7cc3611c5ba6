/* POST /plan/TOKEN/apply: plans again, and makes the changes if the plan is still the same. */
#include "api/routes/plan.h"

#include <string.h>

static void fail(struct request *request, enum error_code code, const char *message)
{
    error_set(&request->error, code, "%s", message);
    request_fail(request, &request->error);
}

static const char *what_moved(const struct planning *planning, struct arena *arena)
{
    CLEANUP(text_finish) struct text moved = {0};
    for (int i = 0; i < PLAN_PARTS; i++) {
        CLEANUP(text_finish) struct text part = {0};
        uint8_t digest[SHA256_BYTES];
        char hex[65];
        plan_write_part(planning->plan, i, arena, &part);
        hash_sha256(part.data, part.length, digest);
        hash_hex(digest, sizeof digest, hex);
        if (strcmp(hex, planning->token->parts[i]) != 0)
            text_append_format(&moved, "%s%s", moved.length ? ", " : "", plan_part_names[i]);
    }
    return moved.length ? arena_strdup(arena, text_string(&moved)) : NULL;
}

void plan_compare_and_make(struct request *request)
{
    struct planning *planning = request->planning;
    struct plan_tokens *tokens = request->api->plan_tokens;
    const char *moved = what_moved(planning, &request->arena);
    if (moved) {
        error_set(&request->error, ERROR_CONFLICT,
                  "it would not do the same any more: what it says of %s has changed; nothing was "
                  "made, plan again",
                  moved);
        request_fail(request, &request->error);
        return;
    }
    if (!plan_tokens_find(tokens, request->api->loop, planning->token->text)) {
        fail(request, ERROR_CONFLICT, "the plan is being applied already");
        return;
    }
    if (!request_write(request, &planning->write))
        return;
    plan_tokens_forget(tokens, planning->token->text);
    request_to_loop(request, planning_make);
}

void plan_apply(struct request *request)
{
    const struct plan_token *token =
        plan_tokens_find(request->api->plan_tokens, request->api->loop, request->params[0]);
    if (!token) {
        fail(request, ERROR_NOT_FOUND,
             "there is no plan of that token: it was applied, or is older than ten minutes");
        return;
    }
    struct plan_token *copy = arena_alloc(&request->arena, sizeof *copy);
    *copy = *token;
    copy->body = NULL;
    json_t *body = json_loads(token->body, 0, NULL);
    bool read = planning_read(request, body);
    json_decref(body);
    request->planning->token = copy;
    if (read)
        request_to_loop(request, planning_begin);
}
