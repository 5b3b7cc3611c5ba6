/* What writes figures in Prometheus' text format. Private to core/api. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/api.h"
#include "base/durations.h"

/* The two lines above a metric's samples. `name` without its "orchestrator_". */
void metrics_head(struct text *out, const char *name, const char *type, const char *help);
void metrics_single(struct text *out, const char *name, const char *type, const char *help,
                    uint64_t value);
void metrics_seconds(struct text *out, const char *name, const char *type, const char *help,
                     uint64_t ns);
/* A histogram without labels, with its head. */
void metrics_durations(struct text *out, const char *name, const char *help,
                       const struct durations *durations);
/* [loop] All of the cluster's. */
void metrics_write_cluster(const struct api_parts *parts, struct text *out);
/* [loop] Of the engine, of probes and of plugins: also while the state is being loaded. */
void metrics_write_node(const struct api_parts *parts, struct text *out);

#endif
