/* What the rest of the proxy calls of `protocol: http`. All [worker]. */
#ifndef PROXY_HTTP_HTTP_H
#define PROXY_HTTP_HTTP_H

#include "proxy/worker.h"

struct http_head;

/* The value that a request has for that key; false: none. */
bool http_find_key(const struct http_head *head, const uint8_t *bytes,
                   const struct orch_balancer_key *key, struct orch_str *out);
void http_client_begin(const struct arrival *arrival);
/* Which service of a listener has which requests. Its clients hold it; the views that it points
 * into are those of the newest snapshot. */
struct http_routes *http_routes_create(void);
struct http_routes *http_routes_hold(struct http_routes *routes);
void http_routes_release(struct http_routes *routes);
void http_routes_close(struct http_routes *routes); /* the listener has gone */
void http_routes_clear(struct http_routes *routes);
void http_routes_add(struct http_routes *routes, struct worker_service *service);
/* May requests be sent to it on this worker? If not, connections without one are closed. */
void http_lane_set(struct worker *worker, struct endpoint *endpoint, bool open);
/* The endpoint's time is up: what is still under way there is cut, and counted. */
void http_obey(struct worker *worker, struct endpoint *endpoint);
void http_look_held(struct worker *worker); /* an endpoint may be ready for those that wait */
void http_finish(struct worker *worker);    /* closes all, frees what is kept */

#endif
