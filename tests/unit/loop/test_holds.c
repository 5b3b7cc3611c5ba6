/* Who held the loop is logged, but not each time. */
#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HOLDS = 3 };
static struct loop *loop;
static int holds;

static void hold(void *argument)
{
    struct loop_timer *again = argument;
    nanosleep(&(struct timespec){.tv_nsec = 60 * NS_PER_MS},
              NULL); /* the test is about a callback that holds the loop */
    if (++holds < HOLDS)
        loop_timer_start(again, 0);
    else
        loop_stop(loop);
}

Test(holds, are_logged_with_the_callback_s_name_once_in_a_while, .timeout = 60)
{
    int ends[2];
    char said[4096] = "";
    struct error error;
    struct loop_timer timer;
    struct loop_lag lag;
    cr_assert_eq(pipe(ends), 0);
    log_configure(LOG_LEVEL_WARN, LOG_FORMAT_JSON, ends[1]);
    loop = loop_create_real(&error);
    loop_timer_init(&timer, loop, "slow thing", hold, &timer);
    loop_timer_start(&timer, 0);
    loop_run(loop);
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_AUTO, STDERR_FILENO);
    close(ends[1]);
    cr_assert_gt(read(ends[0], said, sizeof said - 1), 0);
    close(ends[0]);
    const char *first = strstr(said, "\"callback\":\"slow thing\"");
    cr_assert_not_null(first, "%s", said);
    cr_assert_null(strstr(first, "held the loop"), "told again: %s", said);
    loop_read_lag(loop, &lag);
    cr_assert_geq(lag.over_2ms, HOLDS);
    cr_assert_geq(lag.callbacks.count, HOLDS);
    loop_destroy(loop);
}
