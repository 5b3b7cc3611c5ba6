#include "api/watch.h"

#include <stdlib.h>

struct watch_server {
    size_t count;
};

struct watch_server *watch_server_create(struct api *api)
{
    (void)api;
    return memory_alloc(sizeof(struct watch_server));
}

void watch_server_destroy(struct watch_server *server)
{
    free(server);
}

size_t watch_count(const struct watch_server *server)
{
    return server->count;
}

ssize_t watcher_read(struct watcher *watcher, struct exchange *exchange, char *buffer, size_t room)
{
    (void)watcher, (void)exchange, (void)buffer, (void)room;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

void watcher_destroy(struct watcher *watcher)
{
    free(watcher);
}

void server_begin_watch(struct request *request)
{
    struct error error;
    error_set(&error, ERROR_UNAVAILABLE, "watching is not possible yet");
    request_fail(request, &error);
}
