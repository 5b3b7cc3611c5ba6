/* What the two halves of a log pipe share: log_pipe.c moves bytes, log_lines.c forms what the
 * client sees of them. All of it belongs to the loop. */
#ifndef ROUTES_LOG_PIPE_H
#define ROUTES_LOG_PIPE_H

#include "api/routes/logs.h"
#include "api/stream.h"
#include "base/text.h"
#include "loop/loop.h"

enum { LOG_LINE_BYTES = 64 * 1024, LOG_BATCH_BYTES = 16 * 1024, LOG_ORDERED_SOURCES = 64 };
enum { LOG_CHANNELS = 2 }; /* standard output, standard error */

struct held {
    struct text text;
    size_t used; /* bytes at its begin that are done with */
};
struct log_source {
    struct log_pipe *pipe;
    char id[80], runtime_id[129];
    uint64_t op;   /* 0: ended */
    size_t credit; /* owed to the runtime */
    struct held held[LOG_CHANNELS];
    char failure[160]; /* why it ended, not yet shown; "" */
};
struct log_pipe {            /* [loop] from its making to its end; not the request's */
    struct request *request; /* NULL: the reply has begun */
    const struct api_parts *parts;
    struct stream *stream;
    struct log_query query;
    char deployment[64]; /* followed: its later starts are joined too; else "" */
    bool ordered;        /* by time: a source that may still say something earlier is waited for */
    bool cut;            /* a source failed: the client must see that something is missing */
    struct text out;     /* formatted, not yet taken */
    struct loop_timer head, end, join;
    uint32_t count, open, turn;
    struct log_source *sources[LOG_SOURCES_LIMIT];
};

/* Moves what is held of the sources into `out`, as the query's format wants it, up to
 * LOG_BATCH_BYTES. */
void log_lines_fill(struct log_pipe *pipe);

#endif
