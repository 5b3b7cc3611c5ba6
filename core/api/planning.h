/* Plans over REST: what a request would change is gathered by dry runs of the managers' own
 * commands, then the planner works out what comes of it. POST /plan keeps what was asked for under
 * a token; applying it plans again, and makes the changes if nothing has moved. Private to
 * core/api. */
#ifndef API_PLANNING_H
#define API_PLANNING_H

#include "api/impl.h"

/* [loop] In place of the usual end of a manager's command, where request->dry_run or
 * request->planning is set: takes what would be, or what was made. Fits write_done. */
void planning_take(void *request, const struct error *error, const struct write_result *result);
/* [api], or once that thread has ended [loop]: a plan that is being worked out is given up. NULL is
 * fine. */
void planning_destroy(struct planning *planning);

/* Plans that may be applied: at most PLAN_TOKENS for ten minutes, the oldest go. [api] */
enum { PLAN_TOKENS = 64, PLAN_TOKEN_SECONDS = 600, PLAN_TOKEN_BYTES = 33, PLAN_PARTS = 6 };
struct plan_tokens;
struct plan_token {
    char text[PLAN_TOKEN_BYTES];
    uint64_t expires_ns;
    char *body;                 /* JSON: what was asked for; owned */
    char parts[PLAN_PARTS][65]; /* SHA-256 of each part of what was answered */
};
struct plan_tokens *plan_tokens_create(void);
void plan_tokens_destroy(struct plan_tokens *tokens); /* NULL is fine */
/* `body` is copied; lives until another is added. */
const struct plan_token *plan_tokens_add(struct plan_tokens *tokens, struct loop *loop,
                                         const char *body, char parts[PLAN_PARTS][65]);
const struct plan_token *plan_tokens_find(struct plan_tokens *tokens, struct loop *loop,
                                          const char *text);
void plan_tokens_forget(struct plan_tokens *tokens, const char *text);

#endif
