#include "api/routes/survival.h"
#include "base/clock.h"

#include <string.h>

static void write_text(struct text *out, const char *name, const char *value)
{
    text_append_format(out, "\"%s\":", name);
    text_append_json(out, value, strlen(value));
    text_append_char(out, ',');
}

static void write_row(const struct survival_row *row, struct text *out)
{
    text_append_char(out, '{');
    write_text(out, "node", row->node);
    write_text(out, "deployment", row->deployment);
    write_text(out, "why", row->why);
    text_append_format(out, "\"replicas\":%lld,\"nearest\":", (long long)row->replicas);
    if (row->nearest_node) {
        text_append_char(out, '{');
        write_text(out, "node", row->nearest_node);
        text_append_string(out, "\"message\":");
        text_append_json(out, row->nearest, strlen(row->nearest));
        text_append_string(out, "}}");
    } else {
        text_append_string(out, "null}");
    }
}

void survival_write(const struct survival *survival, struct text *out)
{
    static const struct survival_answer none;
    const struct survival_answer *latest = survival ? survival_latest(survival) : NULL;
    const struct survival_answer *shown = latest ? latest : &none;
    char at[CLOCK_TEXT_BYTES];
    text_append_format(out, "{\"anyNode\":%s,\"nodesChecked\":%u,\"nodesNotSurvived\":%u,",
                       !shown->nodes   ? "null"
                       : shown->losing ? "false"
                                       : "true",
                       shown->nodes, shown->losing);
    text_append_string(out, "\"unplaced\":[");
    for (uint32_t i = 0; i < shown->row_count; i++) {
        if (i)
            text_append_char(out, ',');
        write_row(&shown->rows[i], out);
    }
    text_append_format(out, "],\"unplacedTotal\":%u,\"at\":", shown->rows_total);
    if (latest)
        text_append_format(out, "\"%s\"", clock_format_wall_ms(latest->at_ms, at));
    else
        text_append_string(out, "null");
    text_append_format(out, ",\"seq\":%llu,\"outdated\":%s}", (unsigned long long)shown->seq,
                       !latest || survival_is_outdated(survival) ? "true" : "false");
}
