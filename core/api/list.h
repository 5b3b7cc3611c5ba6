/* Lists: pages of committed records with their soft state, collected on the loop in slices and
 * encoded on the API thread. Private to core/api. */
#ifndef API_LIST_H
#define API_LIST_H

#include "api/request.h"

enum { LIST_LIMIT = 500, LIST_LIMIT_MAX = 5000, SHOWN_KEY_BYTES = 96 };

/* One object as it is shown: a counted record and a copy of what is soft. */
struct shown {
    const struct shown_kind *kind;
    const struct record *record; /* a reference is held */
    void *soft;                  /* malloc, of kind->soft_bytes; NULL: none */
};
/* How a kind of object is walked, judged and written; one static table each (routes/). */
struct shown_kind {
    const char *name; /* plural: "deployments" */
    enum record_kind_id id;
    size_t soft_bytes;
    /* [loop] Fills soft (zeroed). */
    void (*fill)(const struct api_parts *parts, const struct record *record, void *soft);
    void (*drop)(void *soft); /* [any] what soft holds beyond its bytes; NULL: nothing */
    /* The latest change to anything of it. */
    uint64_t (*seq)(const struct record *record, const void *soft);
    /* Name or id, for cursor and path; borrowed from the record, or written into `scratch`. */
    const char *(*key)(const struct record *record, char scratch[SHOWN_KEY_BYTES]);
    /* NULL: no selector. */
    const struct list *(*labels)(const struct record *record, const void *soft);
    /* [loop] The first record after that key in order (NULL: the first); NULL: none. */
    const struct record *(*next)(const struct api_parts *parts, const char *after);
    const struct record *(*find)(const struct api_parts *parts, const char *key); /* [loop] */
    /* [api] Appends the JSON object. */
    void (*write)(const struct record *record, const void *soft, struct text *out);
};
extern const struct shown_kind shown_deployments, shown_containers, shown_nodes, shown_services,
    shown_events, shown_audit;

/* [loop] A shown copy of the record as it is now. */
struct shown shown_take(const struct api_parts *parts, const struct shown_kind *kind,
                        const struct record *record);
void shown_release(struct shown *shown); /* [any] */

/* [api] Runs the whole list request: reads limit, after, selector, fields (and order where the kind
 * is numbered: events, audit), asks `filter` on the loop for each record, replies. `filter_data`
 * lives in the request's arena. */
typedef bool list_filter(const struct record *record, const void *soft, const void *filter_data);
void list_reply(struct request *request, const struct shown_kind *kind, list_filter *filter,
                const void *filter_data);
/* [api] GET of one object by params[0]: 404, ETag, X-Seq. */
void show_reply(struct request *request, const struct shown_kind *kind);
/* [loop] The end of a manager's command: replies with the object after the change. `status` as for
 * an existing one; a created one gets 201 and Location. Fits write_done; argument: the request. */
void show_written(void *request, const struct error *error, const struct write_result *result);

#endif
