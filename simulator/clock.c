/* Wall clocks: somebody or NTP sets them. Monotonic clocks run at their own rates (process.c). */
#include "sim.h"

static struct loop_timer steps;

static int64_t draw_step_ms(void)
{
    switch (draw(STREAM_CLOCK, 4)) {
    case 0:
        return (int64_t)draw(STREAM_CLOCK, 2000) - 1000;
    case 1:
        return INT64_C(3600000) * (draw(STREAM_CLOCK, 2) ? 1 : -1);
    case 2:
        return INT64_C(315360000000); /* ten years on */
    default:
        return -INT64_C(86400000);
    }
}

static void set_clock(void *argument)
{
    int64_t step_ms = draw_step_ms();
    uint64_t which = draw(STREAM_CLOCK, world.options.hosts + 1);
    (void)argument;
    world.hits[FAULT_CLOCK_STEP]++;
    if (which == world.options.hosts) {
        trace('W', "the server's clock steps %lld ms", (long long)step_ms);
        if (server_leader()->process.loop)
            loop_virtual_step_wall(server_leader()->process.loop, step_ms);
    } else {
        struct host *host = &world.hosts[which];
        trace('W', "the clock of %s steps %lld ms", host->name, (long long)step_ms);
        host->wall_skew_ms += step_ms;
        if (host->process.loop)
            loop_virtual_step_wall(host->process.loop, step_ms);
    }
    loop_timer_start(
        &steps, NS_PER_SECOND + draw_around(STREAM_CLOCK,
                                            world.options.rates[FAULT_CLOCK_STEP] * NS_PER_SECOND));
}

void clock_init(void)
{
    loop_timer_init(&steps, world.loop, "clock step", set_clock, NULL);
    if (world.options.rates[FAULT_CLOCK_STEP])
        loop_timer_start(&steps, draw_around(STREAM_CLOCK, world.options.rates[FAULT_CLOCK_STEP] *
                                                               NS_PER_SECOND));
}

void clock_heal(void)
{
    loop_timer_stop(&steps);
}
