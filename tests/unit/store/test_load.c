/* Loading what a store hands back, right or wrong: by simulated time and with real threads. */
#include "base/clock.h"
#include "base/log.h"
#include "scripted_store.h"
#include "server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct loop *loop;
static struct state *state;
static struct error outcome;

static void opened(void *argument, const struct error *error)
{
    (void)argument;
    outcome = error ? *error : (struct error){0};
    loop_stop(loop);
}

static void closed(void *argument)
{
    (void)argument;
    loop_stop(loop);
}

static void open_on(struct loop *with)
{
    loop = with;
    state = state_create(&(struct state_config){.loop = loop,
                                                .kinds = server_record_kinds,
                                                .store = &scripted_table,
                                                .config_json = "{}",
                                                .event_limit = 50});
    state_open(state, opened, NULL);
    loop_run(loop);
}

static void leave(void)
{
    state_close(state, closed, NULL);
    loop_run(loop);
    state_destroy(state);
    loop_destroy(loop);
}

static void setup(void)
{
    log_configure(LOG_LEVEL_ERROR + 1, LOG_FORMAT_JSON, 2);
    scripted_reset();
}

TestSuite(load, .init = setup, .fini = scripted_reset, .timeout = 60);

static const char container[] =
    "{\"id\":\"web-0-aaaaaa\",\"deployment\":\"web\",\"node\":\"n\",\"revision\":1}";
static const char container_key[] = "container/web/0000000/web-0-aaaaaa";

static void expect(const char *part)
{
    open_on(loop_create_virtual(1, 1000000));
    cr_expect_eq(outcome.code, ERROR_IO, "%s", part);
    cr_expect(strstr(outcome.message, part), "\"%s\" does not say \"%s\"", outcome.message, part);
    leave();
    scripted_reset();
}

Test(load, what_no_object_could_be_made_of_is_refused_by_name)
{
    static const struct {
        const char *key, *value, *says;
    } cases[] = {
        {container_key, "{\"deployment\":\"web\",\"node\":\"n\"}", "\"id\" is missing"},
        {container_key, "{\"id\":\"web-0-aaaaaa\",\"node\":\"n\"}", "\"deployment\" is missing"},
        {container_key, "{\"id\":\"web-0-aaaaaa\",\"deployment\":\"web\",\"node\":null}",
         "\"node\" is missing"},
        {container_key, "{}", "the stored record container/web/0000000/web-0-aaaaaa: "},
        {container_key, "", "an object was expected"},
        {"node/n", "{\"name\":\"n\"}", "\"uid\" is missing"},
        {"node/n", "{\"uid\":\"u\"}", "\"name\" is missing"},
        {"event/0000000000000001", "{\"seq\":1,\"reason\":\"A\",\"message\":\"b\"}",
         "\"object\" is missing"},
        {"deployment/web", "{\"uid\":\"u\",\"name\":\"web\",\"template\":{}}",
         "\"image\" is missing"},
        {"idempotency/k", "{\"hash\":\"h\"}", "\"key\" is missing"},
        {"meta/cluster", "{}", "\"uid\" is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scripted_put(cases[i].key, cases[i].value);
        expect(cases[i].says);
    }
}

Test(load, a_record_under_the_key_of_another_is_refused)
{
    scripted_put("container/web/0000001/web-0-aaaaaa", container);
    expect("belongs to \"container/web/0000000/web-0-aaaaaa\"");
}

Test(load, keys_that_come_in_no_order_are_refused)
{
    scripted_put("node/a", "{\"uid\":\"1\",\"name\":\"a\"}");
    scripted_put("node/b", "{\"uid\":\"2\",\"name\":\"b\"}");
    scripted.backwards = true;
    expect("in no order");
}

/* Some pages of one kind, and a kind before and behind it. */
enum { NODES = 9000, ON_THREADS = 2 };

static void put_nodes(void)
{
    for (int i = 0; i < NODES; i++) {
        char key[32], value[64];
        snprintf(key, sizeof key, "node/n%05d", i);
        snprintf(value, sizeof value, "{\"uid\":\"u%05d\",\"name\":\"n%05d\"}", i, i);
        scripted_put(key, value);
    }
    scripted_put(container_key, container);
    scripted_put("service/s", "{\"uid\":\"s\",\"name\":\"s\",\"deployment\":\"web\","
                              "\"listen\":\"0.0.0.0:80\"}");
}

static struct loop *make_loop(bool threads)
{
    struct error error;
    struct loop *made = threads ? loop_create_real(&error) : loop_create_virtual(1, 1000000);
    cr_assert_not_null(made);
    return made;
}

static void check_order(void)
{
    struct state_cursor cursor;
    const struct record *record;
    int seen = 0;
    char name[16];
    state_seek(state, STATE_COMMITTED, KIND_NODE, NULL, &cursor);
    while ((record = state_next(&cursor))) {
        snprintf(name, sizeof name, "n%05d", seen++);
        cr_assert_str_eq(((const struct node *)record)->name, name);
    }
    cr_assert_eq(seen, NODES);
}

Test(load, many_pages_come_in_whole_and_in_order)
{
    for (int threads = 0; threads < ON_THREADS; threads++) {
        put_nodes();
        open_on(make_loop(threads));
        cr_assert_eq(outcome.code, ERROR_NONE, "%s", outcome.message);
        cr_assert_eq(state_count(state, KIND_NODE), NODES);
        cr_assert_eq(state_count(state, KIND_CONTAINER), 1);
        cr_assert_eq(state_count(state, KIND_SERVICE), 1);
        check_order();
        leave();
        scripted_reset();
    }
}

Test(load, the_first_of_many_that_is_wrong_is_named)
{
    for (int threads = 0; threads < ON_THREADS; threads++) {
        put_nodes();
        scripted_put("node/n03000", "{\"uid\":\"u\"}");
        scripted_put("node/n08000", "broken");
        open_on(make_loop(threads));
        cr_expect_eq(outcome.code, ERROR_IO);
        cr_expect(strstr(outcome.message, "node/n03000"), "%s", outcome.message);
        leave();
        scripted_reset();
    }
}
