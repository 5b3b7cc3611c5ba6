/* A scenario of `orchestrator simulate`: any bytes give one with faults, or one that can be played:
 * every step says what it does, to whom, and stands in order of time. */
#include "fuzz.h"
#include "scenario.h"

static void check_step(const struct scenario *scenario, const struct scenario_step *step)
{
    PROMISE(step->title && *step->title, "a step without a title");
    PROMISE(step->what >= EVENT_KILL && step->what <= EVENT_SCHEDULER, "a step of no kind");
    PROMISE(step->node_count || step->name, "a step that is about nothing");
    PROMISE(step->what != EVENT_PATCH || step->wanted, "a patch without its outcome");
    for (uint32_t i = 0; i < step->node_count; i++)
        PROMISE(step->nodes[i] < scenario->node_count, "a node that is not there");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(text_finish) struct text text = {0};
    struct scenario *scenario = scenario_read_bytes("fuzz.yaml", (const char *)data, size);
    PROMISE(scenario, "no scenario");
    scenario_write_faults(scenario, &text);
    PROMISE((scenario->faults.count == 0) == (text.length == 0), "%zu faults, but <%s>",
            scenario->faults.count, text_string(&text));
    PROMISE(text_is_utf8(text_string(&text), text.length), "a fault that is not UTF-8");
    for (uint32_t i = 0; !scenario->faults.count && i < scenario->step_count; i++) {
        check_step(scenario, &scenario->steps[i]);
        PROMISE(!i || scenario->steps[i].at_ns >= scenario->steps[i - 1].at_ns, "out of order");
    }
    scenario_destroy(scenario);
    return 0;
}
