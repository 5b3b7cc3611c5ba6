/* What rides along with a write from outside, and how it is answered. Shared by all managers. */
#ifndef STORE_WRITE_H
#define STORE_WRITE_H

#include "store/state.h"

enum write_mode {
    WRITE_CREATE = 1, /* POST: ALREADY_EXISTS when there is one */
    WRITE_REPLACE     /* PUT: made when missing */
};
struct write_request {
    struct origin origin;
    bool has_if_match, if_match_any; /* If-Match: "7" or * */
    uint64_t if_match;
    bool if_none_match_any; /* If-None-Match: * */
};
struct write_result {
    /* The committed version, borrowed; reference it to keep it. Of a dry run: what would be. */
    const struct record *record;
    bool created, changed;
    bool gone; /* there is none any more, or would be: `record` is what there was */
};
/* Runs on the loop once the change is durable (error NULL) or was refused (result NULL). Never
 * inside the call that asked. */
typedef void write_done(void *argument, const struct error *error,
                        const struct write_result *result);
/* The preconditions against what exists (NULL: nothing). False with PRECONDITION_FAILED. */
bool write_check_preconditions(const struct write_request *request, const struct record *existing,
                               struct error *error);

#endif
