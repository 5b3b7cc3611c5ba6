/* orch.host.ops/1: the plugin's door to ops.h. */
#include "plugin/host.h"
#include "plugin/ops.h"

static orch_status complete(const struct orch_host *orch, struct orch_op op,
                            const struct orch_result *result)
{
    struct plugin_host *host = plugin_host_from(orch);
    if (!host->environment->ops)
        return ORCH_E_UNSUPPORTED;
    return op_table_complete(host->environment->ops, host, op, result);
}

static int64_t emit(const struct orch_host *orch, struct orch_op op, uint32_t channel,
                    uint32_t reserved, struct orch_str bytes)
{
    struct plugin_host *host = plugin_host_from(orch);
    (void)reserved;
    if (!host->environment->ops)
        return ORCH_E_UNSUPPORTED;
    return op_table_emit(host->environment->ops, host, op, channel, bytes);
}

static const struct orch_host_ops_v1 table = {
    .size = sizeof table, .complete = complete, .emit = emit};
const struct plugin_service host_ops_service = {.interface_id = ORCH_HOST_OPS_1, .table = &table};
