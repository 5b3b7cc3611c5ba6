/* In a file of its own: rig.c has a struct exchange of its own. */
#ifndef API_ROUTES_RIG_API_H
#define API_ROUTES_RIG_API_H

#include <stdbool.h>

struct api;
struct loop;
struct request;
struct api *rig_api_create(struct loop *loop);
void rig_api_destroy(struct api *api);
void rig_api_forget(struct request *request);
/* Is it one of a plan's, which goes on with it? */
struct error;
struct write_result;
bool rig_api_takes(struct request *request, const struct error *error,
                   const struct write_result *result);

#endif
