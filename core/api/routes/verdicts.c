/* One node's verdict on one more replica, filter by filter, as JSON. */
#include "api/routes/impl.h"
#include "scheduler/scheduler.h"

#include <string.h>

static void write_check(struct text *out, const struct filter_verdict *verdict, bool first)
{
    text_append_format(out, "%s{\"filter\":\"%s\",\"ok\":%s", first ? "" : ",",
                       filter_name(verdict->filter), verdict->ok ? "true" : "false");
    if (verdict->asked || verdict->free || verdict->short_by)
        text_append_format(out, ",\"asked\":%lld,\"free\":%lld,\"short\":%lld",
                           (long long)verdict->asked, (long long)verdict->free,
                           (long long)verdict->short_by);
    text_append_string(out, ",\"message\":");
    text_append_json(out, verdict->message, strlen(verdict->message));
    text_append_char(out, '}');
}

bool verdicts_write(struct scheduler *scheduler, const struct schedule_ask *ask,
                    const struct node *node, struct text *rows)
{
    struct filter_verdict verdicts[FILTER_COUNT];
    size_t count = scheduler_explain(scheduler, ask, node->name, verdicts);
    bool fits = count > 0;
    for (size_t i = 0; i < count; i++)
        fits = fits && verdicts[i].ok;
    text_append_string(rows, rows->length ? ",{\"node\":" : "{\"node\":");
    text_append_json(rows, node->name, strlen(node->name));
    text_append_format(rows, ",\"fits\":%s,\"checks\":[", fits ? "true" : "false");
    for (size_t i = 0; i < count; i++)
        write_check(rows, &verdicts[i], i == 0);
    text_append_string(rows, "]}");
    return fits;
}
