/* The audit's other half. What was changed is noted in the transaction that changed it (txn_audit);
 * here it is noted that somebody with a key asked for a change and was refused, and what is done
 * without a change of the state (routes with AUDIT_ALL). In transactions of their own, at most
 * AUDIT_WAITING at a time; what comes faster is counted. Nobody waits for it, and it is lost when
 * the store takes nothing. Private to core/api; [api] where nothing else is said. */
#ifndef API_AUDIT_H
#define API_AUDIT_H

#include "api/impl.h"

enum { AUDIT_WAITING = 64 };
struct audit_log;
struct audit_log *audit_log_create(struct api *api);
void audit_log_destroy(struct audit_log *log); /* NULL is fine */
/* A request has been answered. */
void audit_note(struct audit_log *log, const struct exchange *exchange);
uint64_t audit_lost(const struct audit_log *log); /* [any] */

#endif
