/* Deep copies of what verbs of a runtime are given, into the memory of their operation: it lives
 * until the plugin has completed, however long that takes. */
#ifndef PLUGIN_RUNTIME_KEEP_H
#define PLUGIN_RUNTIME_KEEP_H

#include "base/text.h"

#include <orchestrator/runtime.h>

struct orch_str runtime_keep(struct arena *arena, const char *string); /* NULL: not given */
struct orch_str runtime_keep_string(struct arena *arena, struct orch_str string);
struct orch_array runtime_keep_words(struct arena *arena, const char *const *words, uint32_t count);
struct orch_array runtime_keep_strings(struct arena *arena, struct orch_array strings);
struct orch_array runtime_keep_pairs(struct arena *arena, struct orch_array pairs);
struct orch_array runtime_keep_ports(struct arena *arena, struct orch_array ports);
struct orch_task *runtime_keep_task(struct arena *arena, const struct orch_task *task);

#endif
