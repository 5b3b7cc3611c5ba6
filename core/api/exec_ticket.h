/* Tickets for commands in containers: each is good for one connection to /exec/ID, for a short
 * time. exec.h has what becomes of it. Private to core/api. */
#ifndef API_EXEC_TICKET_H
#define API_EXEC_TICKET_H

#include "base/id.h"
#include "schema/schema.h"

struct api;
enum {
    EXEC_TICKET_SECONDS = 30,
    EXEC_TICKET_BYTES = 65,
    EXEC_WORDS = 256,
    EXEC_COMMAND_BYTES = 32 * 1024
};
struct exec_order { /* what was asked for; strings are copied */
    const char *container, *by, *request_id;
    struct list command; /* const char * */
    bool tty, wants_input;
};
struct exec_ticket {
    char id[ID_UID_BYTES], secret[EXEC_TICKET_BYTES];
};
/* [api] False: too many are not used yet, RATE_LIMITED. */
bool exec_ticket_make(struct api *api, const struct exec_order *order, struct exec_ticket *out,
                      struct error *error);

#endif
