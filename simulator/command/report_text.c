/* The outcome for people. */
#include "base/clock.h"
#include "outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOVES_SHOWN = 8, NODES_SHOWN = 40 };

/* Tenths of a second are what was looked at. */
static const char *span(uint64_t ns, char out[CLOCK_TEXT_BYTES])
{
    uint64_t tenths = (ns + 50 * NS_PER_MS) / (100 * NS_PER_MS), minutes = tenths / 600;
    unsigned seconds = (unsigned)(tenths % 600) / 10, rest = (unsigned)(tenths % 10);
    int length = 0;
    if (minutes >= 60)
        length += snprintf(out, CLOCK_TEXT_BYTES, "%lluh", (unsigned long long)minutes / 60);
    if (minutes % 60)
        length += snprintf(out + length, CLOCK_TEXT_BYTES - (size_t)length, "%llum",
                           (unsigned long long)minutes % 60);
    if (rest)
        snprintf(out + length, CLOCK_TEXT_BYTES - (size_t)length, "%u.%us", seconds, rest);
    else if (seconds || !length)
        snprintf(out + length, CLOCK_TEXT_BYTES - (size_t)length, "%us", seconds);
    return out;
}

static void share(struct text *out, int64_t thousandths)
{
    text_append_format(out, "%lld.%lld%%", (long long)thousandths / 10,
                       (long long)thousandths % 10);
}

/* Three digits are enough to read. */
static const char *memory(int64_t bytes, char out[SCHEMA_NUMBER_BYTES])
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti"};
    int unit = 0;
    int64_t tenths = bytes * 10;
    while (unit < 4 && (tenths >= 10240 || tenths <= -10240)) {
        tenths = (tenths + 512) / 1024;
        unit++;
    }
    if (tenths % 10)
        snprintf(out, SCHEMA_NUMBER_BYTES, "%lld.%lld%s", (long long)tenths / 10,
                 (long long)llabs(tenths % 10), units[unit]);
    else
        snprintf(out, SCHEMA_NUMBER_BYTES, "%lld%s", (long long)tenths / 10, units[unit]);
    return out;
}

/* Cores. */
static const char *cpu(int64_t millis, char out[SCHEMA_NUMBER_BYTES])
{
    int length = snprintf(out, SCHEMA_NUMBER_BYTES, "%lld.%03lld", (long long)millis / 1000,
                          (long long)millis % 1000);
    while (out[length - 1] == '0')
        out[--length] = 0;
    if (out[length - 1] == '.')
        out[length - 1] = 0;
    return out;
}

static const char *amount(int resource, int64_t value, char out[SCHEMA_NUMBER_BYTES])
{
    return resource == OUTCOME_CPU ? cpu(value, out) : memory(value, out);
}

static int compare_moves(const void *a, const void *b)
{
    const struct outcome_move *x = a, *y = b;
    int order = strcmp(x->deployment, y->deployment);
    order = order ? order : strcmp(x->why, y->why);
    order = order ? order : strcmp(x->from, y->from);
    return order ? order : strcmp(x->to, y->to);
}

static void write_moves(const struct outcome_step *step, struct text *out)
{
    size_t bytes = (step->move_count + 1) * sizeof(struct outcome_move);
    struct outcome_move *sorted = memory_alloc(bytes);
    if (step->move_count)
        memcpy(sorted, step->moves, step->move_count * sizeof *sorted);
    qsort(sorted, step->move_count, sizeof *sorted, compare_moves);
    for (uint32_t i = 0; i < step->move_count;) {
        const struct outcome_move *first = &sorted[i];
        uint32_t end = i, elsewhere = 0;
        while (end < step->move_count && sorted[end].deployment == first->deployment &&
               strcmp(sorted[end].why, first->why) == 0)
            elsewhere += strcmp(sorted[end].from, sorted[end].to) != 0, end++;
        text_append_format(out, "    %s: %u replaced (%s), %u of them on another node\n",
                           first->deployment, end - i, first->why, elsewhere);
        for (uint32_t k = i; k < end && end - i <= MOVES_SHOWN; k++)
            text_append_format(out, "      %s -> %s\n", sorted[k].from, sorted[k].to);
        i = end;
    }
    free(sorted);
}

static void write_counts(const struct outcome_step *step, struct text *out)
{
    for (uint32_t i = 0; i < step->count_count; i++) {
        const struct outcome_count *count = &step->counts[i];
        text_append_format(out, "    %s: %llu %s\n", count->deployment,
                           (unsigned long long)count->count, count->why);
    }
}

static void write_availability(const struct outcome_step *step, struct text *out)
{
    char text[CLOCK_TEXT_BYTES];
    for (uint32_t i = 0; i < step->deployment_count; i++) {
        const struct outcome_deployment *one = &step->deployments[i];
        if (!one->worst && one->whole_ns == 0)
            continue;
        text_append_format(out, "    %s: %lld of %lld available", one->name,
                           (long long)one->available, (long long)one->desired);
        if (one->worst)
            text_append_format(out, ", at worst %lld missing, for %s", (long long)one->worst,
                               span(one->short_ns, text));
        if (one->whole_ns == UINT64_MAX)
            text_append_format(out, "; not as declared (%s)\n", one->phase);
        else
            text_append_format(out, "; as declared after %s\n", span(one->whole_ns, text));
    }
}

static void write_rest(const struct outcome_step *step, struct text *out)
{
    char text[CLOCK_TEXT_BYTES];
    if (step->whole_ns == UINT64_MAX)
        text_append_format(out, "    not all as declared within %s", span(step->watched_ns, text));
    else if (step->whole_ns)
        text_append_format(out, "    all as declared after %s", span(step->whole_ns, text));
    else
        text_append_string(out, "    all as declared at any time");
    if (!step->at_rest)
        text_append_string(out, "; not at rest when it ended\n");
    else if (!step->last_change_ns)
        text_append_string(out, "; nothing changed\n");
    else if (step->last_change_ns != step->whole_ns)
        text_append_format(out, "; at rest after %s\n", span(step->last_change_ns, text));
    else
        text_append_char(out, '\n');
}

static void write_resource(const char *name, int which, const struct outcome_resource *resource,
                           struct text *out)
{
    char a[SCHEMA_NUMBER_BYTES], b[SCHEMA_NUMBER_BYTES];
    text_append_format(out, "    %-6s %s of %s used (", name, amount(which, resource->used, a),
                       amount(which, resource->total, b));
    share(out, resource->share);
    text_append_string(out, "), a node ");
    share(out, resource->emptiest);
    text_append_string(out, " to ");
    share(out, resource->fullest);
    text_append_string(out, ", deviation ");
    share(out, resource->deviation);
    text_append_format(out, "; %s free, fragmented ", amount(which, resource->free, a));
    share(out, resource->fragmented);
    text_append_char(out, '\n');
}

static void write_packing(const struct outcome_packing *packing, struct text *out)
{
    text_append_format(out, "  packing: %lld container%s, %u node%s in use",
                       (long long)packing->containers, packing->containers == 1 ? "" : "s",
                       packing->nodes, packing->nodes == 1 ? "" : "s");
    if (packing->largest)
        text_append_format(out, ", the largest replica is of %s", packing->largest);
    text_append_char(out, '\n');
    if (!packing->nodes)
        return;
    write_resource("cpu", OUTCOME_CPU, &packing->resources[OUTCOME_CPU], out);
    write_resource("memory", OUTCOME_MEMORY, &packing->resources[OUTCOME_MEMORY], out);
}

static void write_unfit(const struct outcome_unfit *unfit, struct text *out)
{
    text_append_format(out, "    %s: %lld replica%s without a place; %u nodes:\n",
                       unfit->deployment, (long long)unfit->missing, unfit->missing == 1 ? "" : "s",
                       unfit->nodes);
    for (int filter = FILTER_READY; filter < FILTER_COUNT; filter++) {
        const struct outcome_refusal *refusal = &unfit->refusals[filter];
        if (refusal->count)
            text_append_format(out, "      %u refused by %s, %s %s: %s\n", refusal->count,
                               filter_name((enum filter)filter),
                               refusal->short_by ? "the nearest is" : "such as", refusal->node,
                               refusal->message);
    }
}

static void write_step(const struct outcome_step *step, struct text *out)
{
    char text[CLOCK_TEXT_BYTES];
    text_append_format(out, "\n%s  %s\n", span(step->at_ns, text), step->title);
    for (uint32_t i = 0; i < step->refused_count; i++)
        text_append_format(out, "    REFUSED %s\n", step->refused[i]);
    text_append_string(out, "  availability\n");
    write_availability(step, out);
    write_rest(step, out);
    if (step->move_count || step->count_count)
        text_append_string(out, "  containers\n");
    write_counts(step, out);
    write_moves(step, out);
    if (step->unfit_count)
        text_append_string(out, "  does not fit\n");
    for (uint32_t i = 0; i < step->unfit_count; i++)
        write_unfit(&step->unfit[i], out);
    write_packing(&step->packing, out);
}

static void write_node(const struct outcome_node *node, int width, struct text *out)
{
    char used[SCHEMA_NUMBER_BYTES], total[SCHEMA_NUMBER_BYTES], both[2 * SCHEMA_NUMBER_BYTES + 4];
    text_append_format(out, "  %-*s %-8s %10lld", width, node->name, node->state,
                       (long long)node->containers);
    snprintf(both, sizeof both, "%s of %s", cpu(node->used.cpu_millis, used),
             cpu(node->total.cpu_millis, total));
    text_append_format(out, "  %-18s", both);
    snprintf(both, sizeof both, "%s of %s", memory(node->used.memory_bytes, used),
             memory(node->total.memory_bytes, total));
    text_append_format(out, "  %s\n", both);
}

static void write_nodes(const struct outcome *outcome, bool all, struct text *out)
{
    int width = 4;
    uint32_t shown = all || outcome->node_count <= NODES_SHOWN ? outcome->node_count : NODES_SHOWN;
    for (uint32_t i = 0; i < shown; i++)
        if ((int)strlen(outcome->nodes[i].name) > width)
            width = (int)strlen(outcome->nodes[i].name);
    text_append_format(out, "\nnodes at the end\n  %-*s %-8s containers  %-18s  memory\n", width,
                       "name", "state", "cpu");
    for (uint32_t i = 0; i < shown; i++)
        write_node(&outcome->nodes[i], width, out);
    if (shown < outcome->node_count)
        text_append_format(out, "  and %u more: --nodes shows all\n", outcome->node_count - shown);
}

void report_text(const struct outcome *outcome, bool all_nodes, struct text *out)
{
    char text[CLOCK_TEXT_BYTES];
    uint64_t moves = 0, elsewhere = 0;
    for (uint32_t i = 0; i < outcome->step_count; i++) {
        const struct outcome_step *step = &outcome->steps[i];
        write_step(step, out);
        moves += step->move_count;
        for (uint32_t k = 0; k < step->move_count; k++)
            elsewhere += strcmp(step->moves[k].from, step->moves[k].to) != 0;
    }
    write_nodes(outcome, all_nodes, out);
    text_append_format(out,
                       "\n%s simulated; %llu containers made, %llu replaced, %llu of them on "
                       "another node; scheduler %s\n",
                       span(outcome->simulated_ns, text),
                       (unsigned long long)outcome->containers_made, (unsigned long long)moves,
                       (unsigned long long)elsewhere, outcome->scheduler);
}
