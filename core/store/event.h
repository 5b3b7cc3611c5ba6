/* Events, audit entries and the cluster's own record, as stored. */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "store/state.h"

struct event {
    struct record record; /* record.seq is the event's number; created_at_ms its time */
    const char *reason;   /* a word: "ImagePullFailed" */
    const char *object;   /* "deployments/web" */
    const char *message;
    const char *cause_by;      /* who, when a request caused it */
    const char *cause_request; /* its id */
    int64_t cause_event;       /* seq of the event that led here; 0: none */
    int64_t count;             /* repeated so many times, folded */
    uint8_t severity;          /* enum event_severity */
};
struct audit {
    struct record record;
    const char *by, *request, *verb, *object, *detail;
    const char *result; /* NULL: done; else why not, as the error's word */
    int64_t version;    /* of the object after it; 0: it has none, or nothing changed */
};
struct meta {
    struct record record; /* record.uid: the cluster's */
    int64_t seq_bound;    /* no number at or above was ever given */
    int64_t fence;
};
extern const struct record_kind event_kind, audit_kind, meta_kind;
extern const struct type event_type, audit_type, meta_type;

#endif
