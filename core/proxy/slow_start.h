/* Slow start: the weight of an endpoint that is new, or back, grows to its whole over the service's
 * `slowStart`, so that a cold cache or compiler is not met with a full share at once. Balancers see
 * it as the cell's effective weight. Private to this folder; main thread. */
#ifndef PROXY_SLOW_START_H
#define PROXY_SLOW_START_H

#include <stdint.h>

struct endpoint;
struct proxy;
struct service;

/* x 1/256: a tenth at first, then in proportion. */
uint32_t slow_start_weight(uint64_t elapsed_ns, uint64_t window_ns);
void slow_start_init(struct proxy *proxy);
void slow_start_finish(struct proxy *proxy);
/* Nothing happens where the service has no such time. */
void slow_start_begin(struct proxy *proxy, struct service *service, struct endpoint *endpoint);
void slow_start_end(struct endpoint *endpoint); /* it has its whole weight */

#endif
