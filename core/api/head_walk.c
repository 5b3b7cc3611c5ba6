/* Whether all of a request's head was understood.
 *
 * libmicrohttpd gives the parts of a head as strings within the bytes that came, and silently
 * leaves out what it cannot place: all that is behind a zero byte, and lines folded below a field,
 * which 0.9.75 puts behind that field's name. Another reader on the way may have read them
 * otherwise, and then the two disagree where this request ends. So the parts must lie one behind
 * the other, with nothing between them but what parts them. */
#include "api/impl.h"

#include <string.h>

void head_walk_begin(struct head_walk *walk, struct MHD_Connection *mhd, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    *walk = (struct head_walk){.at = method, .end = method + (info ? info->header_size : 0)};
    head_walk_over(walk, method, strlen(method), 0);
}

static void walk_to(struct head_walk *walk, const char *next, size_t separator)
{
    size_t zeros = 0;
    if ((uintptr_t)next < (uintptr_t)walk->at || (uintptr_t)next > (uintptr_t)walk->end) {
        walk->hidden = true;
        return;
    }
    for (const char *byte = walk->at; byte < next; byte++) {
        zeros += *byte == 0;
        walk->hidden |= *byte && *byte != ' ' && *byte != '\t';
    }
    walk->hidden |= zeros > separator;
    walk->at = next;
}

void head_walk_over(struct head_walk *walk, const char *part, size_t length, size_t separator)
{
    walk_to(walk, part, separator);
    if (!walk->hidden)
        walk->at = part + length;
}

void head_walk_end(struct head_walk *walk)
{
    walk_to(walk, walk->end - HEAD_LINE_END, HEAD_LINE_END); /* the empty line's */
}
