/* The part of /metrics that proxies count. Private to core/api. */
#ifndef API_TRAFFIC_METRICS_H
#define API_TRAFFIC_METRICS_H

#include "base/text.h"

struct service_manager;
struct traffic_table;
/* [loop] At most 1,000 rows, in the arena. */
struct traffic_table *traffic_metrics_take(struct service_manager *services, struct arena *arena);
void traffic_metrics_write(const struct traffic_table *table, struct text *out); /* [any] */

#endif
