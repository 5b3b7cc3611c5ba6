/* The REST API: libmicrohttpd on a thread and a loop of its own.
 *
 * The API thread parses, checks, encodes and streams; what touches managers runs on the main loop,
 * reached through three bounded lanes (agents before controllers before users). Replies are encoded
 * on the API thread from committed records, which are immutable and counted, and from copies of
 * soft state. Everything here is [loop] unless tagged. */
#ifndef API_API_H
#define API_API_H

#include "base/error.h"
#include "store/record.h"

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct api;
struct config;
struct container;
struct container_manager;
struct deployment_manager;
struct loop;
struct node_registry;
struct op_table;
struct plugin_registry;
struct runtime;
struct scheduler;
struct service_manager;
struct state;
struct usage;
struct survival;

/* What the handlers work on; all outlive the API. */
struct api_parts {
    struct loop *loop;
    const struct config *config;
    const char *config_file; /* for GET /config; NULL: none was read */
    struct state *state;
    struct deployment_manager *deployments;
    struct container_manager *containers;
    struct node_registry *nodes;
    struct service_manager *services;
    struct scheduler *scheduler;
    struct survival *survival; /* NULL: nobody works it out */
    struct plugin_registry *plugins;
    struct op_table *ops;
    struct agent *agent;     /* of this host; NULL: none */
    struct runtime *runtime; /* likewise: logs, stats */
    struct usage *usage;     /* of its containers; NULL: nobody asks */
    const char *node_name;   /* of this host's agent */
    int64_t started_at_ms;   /* wall clock; 0: when api_create is called */
};
/* Opens the socket and starts the thread: /healthz answers, /readyz says 503 and everything under
 * /api/v1 answers 503 until api_serve. `key` is hashed and not kept. */
struct api *api_create(const struct api_parts *parts, const char *key, struct error *error);
/* The state is loaded, the managers run: from now on requests are served. */
void api_serve(struct api *api);
/* "127.0.0.1:7070" as bound. Lives as long as the API. */
const char *api_address(const struct api *api);
/* Accepts no more, lets what is under way end (at most `limit_ns`), ends streams; then `done` runs
 * on the loop. The managers must still be there. */
void api_stop(struct api *api, uint64_t limit_ns, void (*done)(void *argument), void *argument);
void api_destroy(struct api *api); /* NULL is fine */

/* Soft state of an object changed; watchers hear of it within 50 ms. Changes of records are seen by
 * the API itself. `name`: of the deployment, container (id), node or service. */
void api_touch(struct api *api, enum record_kind_id kind, const char *name);

#endif
