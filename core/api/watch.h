/* GET /api/v1/watch: the hub on the main loop collects what changed and posts it, in order, to the
 * API thread, where a ring keeps it and each watcher is a cursor. Private to core/api. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api/impl.h"

/* -- the hub [loop] -- */
struct hub *hub_create(struct api *api);
void hub_start(struct hub *hub);
void hub_touch(struct hub *hub, enum record_kind_id kind, const char *name);
void hub_destroy(struct hub *hub); /* NULL is fine */

/* -- the watchers [api] -- */
struct watch_server *watch_server_create(struct api *api);
void watch_server_destroy(struct watch_server *server); /* NULL is fine */
size_t watch_count(const struct watch_server *server);

#endif
