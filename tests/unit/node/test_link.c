#include "base/clock.h"
#include "node/link.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct loop *loop;
static struct link_end *server, *agent;
static char got[64];
static unsigned closings;
static bool close_inside;

static void setup(void)
{
    loop = loop_create_virtual(3, 0);
    link_pair_create(loop, &server, &agent);
    got[0] = 0;
    closings = 0;
    close_inside = false;
}

static void teardown(void)
{
    if (server)
        link_close(server);
    if (agent)
        link_close(agent);
    loop_destroy(loop);
}

TestSuite(node_link, .init = setup, .fini = teardown, .timeout = 30);

static void message(void *argument, const char *json, size_t length)
{
    (void)argument;
    strncat(got, json, length);
    if (close_inside) {
        link_close(agent);
        agent = NULL;
    }
}

static void closed(void *argument)
{
    struct link_end **end = argument;
    closings++;
    link_close(*end); /* freed inside its own callback */
    *end = NULL;
}

static void listen(void)
{
    link_set_receiver(agent, (struct link_receiver){message, closed, &agent});
}

static void run(void)
{
    (void)loop_run_until(loop, loop_now_ns(loop) + NS_PER_MS);
}

Test(node_link, delivers_in_order_and_never_inside_the_sender)
{
    listen();
    cr_assert(link_send(server, "a", 1));
    cr_assert(link_send(server, "b", 1));
    cr_assert_str_eq(got, "");
    run();
    cr_assert(link_send(server, "c", 1));
    run();
    cr_assert_str_eq(got, "abc");
}

Test(node_link, keeps_what_came_before_anyone_listened)
{
    cr_assert(link_send(server, "early", 5));
    run();
    listen();
    run();
    cr_assert_str_eq(got, "early");
}

Test(node_link, says_closed_once_after_what_was_sent)
{
    listen();
    cr_assert(link_send(server, "last", 4));
    link_close(server);
    server = NULL;
    run();
    cr_assert_str_eq(got, "last");
    cr_assert_eq(closings, 1);
}

Test(node_link, may_be_closed_inside_a_delivery)
{
    listen();
    close_inside = true;
    cr_assert(link_send(server, "1", 1));
    cr_assert(link_send(server, "2", 1));
    run();
    cr_assert_str_eq(got, "1");
    cr_assert_not(link_send(server, "3", 1));
}

Test(node_link, refuses_beyond_its_bound)
{
    size_t size = 8 * 1024 * 1024;
    char *bytes = calloc(1, size);
    memset(bytes, 'x', size);
    for (int i = 0; i < 8; i++)
        cr_assert(link_send(server, bytes, size));
    cr_assert_not(link_send(server, "x", 1));
    free(bytes);
}

static struct loop_timer other;

static void other_ran(void *argument)
{
    (void)argument;
    strcat(got, "-");
}

static void first_letter(void *argument, const char *json, size_t length)
{
    (void)argument;
    (void)length;
    strncat(got, json, 1);
    if (json[0] == 'a')
        loop_timer_start(&other, 0);
}

Test(node_link, gives_others_a_turn_when_much_is_queued)
{
    enum { BYTES = 40000 };
    char *text = calloc(1, BYTES);
    loop_timer_init(&other, loop, "other", other_ran, NULL);
    for (const char *at = "abc"; *at; at++) {
        text[0] = *at;
        cr_assert(link_send(server, text, BYTES));
    }
    free(text);
    link_close(server);
    server = NULL;
    link_set_receiver(agent, (struct link_receiver){first_letter, closed, &agent});
    run();
    cr_assert_str_eq(got, "a-bc");
    cr_assert_eq(closings, 1, "after what was sent");
}
