#include "api/planning.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plan_tokens {
    struct plan_token items[PLAN_TOKENS]; /* in the order of their making */
    size_t count;
};

struct plan_tokens *plan_tokens_create(void)
{
    return memory_alloc(sizeof(struct plan_tokens));
}

static void forget_at(struct plan_tokens *tokens, size_t at)
{
    free(tokens->items[at].body);
    memmove(tokens->items + at, tokens->items + at + 1,
            (tokens->count - at - 1) * sizeof *tokens->items);
    tokens->count--;
}

void plan_tokens_destroy(struct plan_tokens *tokens)
{
    while (tokens && tokens->count)
        forget_at(tokens, tokens->count - 1);
    free(tokens);
}

const struct plan_token *plan_tokens_add(struct plan_tokens *tokens, struct loop *loop,
                                         const char *body, char parts[PLAN_PARTS][65])
{
    if (tokens->count == PLAN_TOKENS)
        forget_at(tokens, 0);
    struct plan_token *token = &tokens->items[tokens->count++];
    *token =
        (struct plan_token){.expires_ns = loop_now_ns(loop) + PLAN_TOKEN_SECONDS * NS_PER_SECOND,
                            .body = memory_strdup(body)};
    memcpy(token->parts, parts, sizeof token->parts);
    id_make_uid(loop_random_source(loop), token->text);
    return token;
}

const struct plan_token *plan_tokens_find(struct plan_tokens *tokens, struct loop *loop,
                                          const char *text)
{
    while (tokens->count && tokens->items[0].expires_ns <= loop_now_ns(loop))
        forget_at(tokens, 0);
    for (size_t i = 0; i < tokens->count; i++)
        if (strcmp(tokens->items[i].text, text) == 0)
            return &tokens->items[i];
    return NULL;
}

void plan_tokens_forget(struct plan_tokens *tokens, const char *text)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (strcmp(tokens->items[i].text, text) == 0) {
            forget_at(tokens, i);
            return;
        }
}
