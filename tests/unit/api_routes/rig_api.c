/* The part of the server that handlers of plans keep theirs in. */
#include "unit/api_routes/rig_api.h"
#include "api/planning.h"

#include <stdlib.h>

struct api *rig_api_create(struct loop *loop)
{
    struct api *api = calloc(1, sizeof *api);
    api->loop = loop;
    api->plan_tokens = plan_tokens_create();
    return api;
}

void rig_api_destroy(struct api *api)
{
    plan_tokens_destroy(api->plan_tokens);
    free(api);
}

bool rig_api_takes(struct request *request, const struct error *error,
                   const struct write_result *result)
{
    if (!request->planning)
        return false;
    planning_take(request, error, result);
    return true;
}

void rig_api_forget(struct request *request)
{
    planning_destroy(request->planning);
}
