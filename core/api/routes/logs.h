/* Logs on their way from the runtime of this host, through a stream, to the client. Private to this
 * folder. */
#ifndef ROUTES_LOGS_H
#define ROUTES_LOGS_H

#include "api/request.h"
#include "plugin/runtime.h"

enum { LOG_SOURCES_LIMIT = 256 };                       /* containers shown at once */
enum log_format { LOGS_RAW = 1, LOGS_TEXT, LOGS_JSON }; /* RAW: one container, byte by byte */
struct log_query {
    struct runtime_logs_request ask;
    uint64_t ago_ns; /* since, as a duration */
    bool since_ago;  /* it was given so */
    enum log_format format;
    bool previous;
};
/* [loop] These take the request to its answer. One container's ends with it; those of a deployment
 * are merged by line, what has been written already in the order of its time, and followed they go
 * on with containers started later, until the deployment is gone. */
void log_pipe_container(struct request *request, const struct log_query *query,
                        const char *runtime_id);
void log_pipe_deployment(struct request *request, const struct log_query *query);

#endif
