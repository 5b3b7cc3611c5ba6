/* Logs on their way from the runtime of this host, through a stream, to the client. Private to this
 * folder. */
#ifndef ROUTES_LOGS_H
#define ROUTES_LOGS_H

#include "api/request.h"
#include "plugin/runtime.h"

enum log_format { LOGS_RAW = 1, LOGS_TEXT, LOGS_JSON }; /* RAW: one container, byte by byte */
struct log_query {
    struct runtime_logs_request ask;
    uint64_t ago_ns; /* since, as a duration */
    bool since_ago;  /* it was given so */
    enum log_format format;
    bool previous;
};
/* [loop] Takes the request to its answer. RAW has one source; the others are merged by line, what
 * has been written already in the order of its time. */
void log_pipe_start(struct request *request, const struct log_query *query,
                    const char *const *runtime_ids, const char *const *ids, uint32_t count);

#endif
