/* orch.host.log/1 */
#include "base/log.h"
#include "base/text.h"
#include "plugin/host.h"

enum { FIELD_LIMIT = 16, MESSAGE_LIMIT = 2048 };

static enum log_level level_of(int32_t level)
{
    if (level <= ORCH_LOG_DEBUG)
        return LOG_LEVEL_DEBUG;
    if (level >= ORCH_LOG_ERROR)
        return LOG_LEVEL_ERROR;
    return level == ORCH_LOG_INFO ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
}

static const char *terminated(struct arena *arena, struct orch_str string)
{
    size_t length = string.len < MESSAGE_LIMIT ? string.len : MESSAGE_LIMIT;
    return string.ptr ? arena_strndup(arena, string.ptr, length) : "";
}

static void log_line(const struct orch_host *orch, int32_t level, struct orch_str message,
                     struct orch_array fields)
{
    struct log_field copies[FIELD_LIMIT + 1];
    struct arena arena CLEANUP(arena_finish) = {0};
    size_t count = 0;
    if (!log_enabled(level_of(level)))
        return;
    copies[count++] = LOG_STR("plugin", plugin_host_from(orch)->label);
    if (fields.stride >= sizeof(struct orch_pair))
        for (uint32_t i = 0; i < fields.count && count <= FIELD_LIMIT; i++) {
            const struct orch_pair *pair = ORCH_AT(struct orch_pair, fields, i);
            copies[count++] =
                LOG_STR(terminated(&arena, pair->key), terminated(&arena, pair->value));
        }
    log_write(level_of(level), terminated(&arena, message), copies, count);
}

static int32_t is_enabled(const struct orch_host *orch, int32_t level)
{
    (void)orch;
    return log_enabled(level_of(level));
}

static const struct orch_host_log_v1 table = {
    .size = sizeof table, .write = log_line, .enabled = is_enabled};
const struct plugin_service host_log_service = {.interface_id = ORCH_HOST_LOG_1, .table = &table};
