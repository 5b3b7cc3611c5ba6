#include "api/watch.h"

#include <stdlib.h>

struct hub {
    struct api *api;
};

struct hub *hub_create(struct api *api)
{
    struct hub *hub = memory_alloc(sizeof *hub);
    hub->api = api;
    return hub;
}

void hub_start(struct hub *hub)
{
    (void)hub;
}

void hub_touch(struct hub *hub, enum record_kind_id kind, const char *name)
{
    (void)hub, (void)kind, (void)name;
}

void hub_destroy(struct hub *hub)
{
    free(hub);
}
