/* GET /api/v1/watch: the hub on the main loop collects what changed and posts it, in order, to the
 * API thread, where a ring keeps it and each watcher is a cursor. Private to core/api. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api/impl.h"

enum note_type { NOTE_ADDED = 1, NOTE_CHANGED, NOTE_REMOVED };
/* One change, as shown. */
struct note {
    uint64_t seq;      /* never falls from one to the next */
    uint64_t born_seq; /* of NOTE_ADDED: the object's first number; 0: unknown */
    uint8_t type;      /* enum note_type */
    struct shown now;
    const struct record *before; /* a reference; NULL: none */
    struct text json;            /* [api] of the object, once someone wanted it */
    size_t bytes;
};
void note_finish(struct note *note);

/* -- the hub [loop] -- */
struct hub *hub_create(struct api *api);
void hub_start(struct hub *hub);
void hub_touch(struct hub *hub, enum record_kind_id kind, const char *name);
void hub_destroy(struct hub *hub); /* NULL is fine */

/* -- the ring [api] -- */
struct ring {
    struct note *notes; /* `room` of them */
    size_t room, bytes, bytes_limit;
    uint64_t first, next; /* positions: of the oldest kept, and of the next to come */
    uint64_t floor_seq;   /* what is newer than this is all there */
};
void ring_init(struct ring *ring, size_t room, size_t bytes_limit);
void ring_finish(struct ring *ring);
void ring_add(struct ring *ring, struct note *take_note); /* the oldest go where there is no room */
struct note *ring_at(struct ring *ring, uint64_t position);
/* The position of the first note with a number above `seq`. */
uint64_t ring_seek(struct ring *ring, uint64_t seq);

/* -- the watchers [api] -- */
struct watch_server *watch_server_create(struct api *api);
void watch_server_destroy(struct watch_server *server); /* NULL is fine */
size_t watch_count(const struct watch_server *server);
void watch_server_begin(struct watch_server *server, uint64_t floor_seq);
void watch_server_take(struct watch_server *server, struct note *take_notes, size_t count);
void watch_server_end(struct watch_server *server); /* each says farewell */

/* -- what a watcher wants to see -- */
struct watch_filter {
    uint32_t kinds;         /* 1 << enum record_kind_id */
    const char *deployment; /* NULL: any */
    struct selector selector;
    bool selected;
};
bool watch_filter_read(struct request *request, struct watch_filter *out); /* false: answered */
bool watch_filter_fits(const struct watch_filter *filter, const struct shown_kind *kind,
                       const struct record *record, const void *soft);
/* As what that watcher sees the change; 0: not at all. */
enum note_type watch_filter_judge(const struct watch_filter *filter, const struct note *note);

#endif
