/* Pages: every object once, totals exact, cursors opaque, members by choice. */
#include "rig.h"

#include <poll.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void setup(void)
{
    rig_start(NULL);
}

TestSuite(lists, .init = setup, .fini = rig_stop, .timeout = 60);

static const char *name_at(json_t *list, size_t index)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(list, "items"), index), "name"));
}

static size_t count_of(json_t *list)
{
    return json_array_size(json_object_get(list, "items"));
}

static long long number(json_t *list, const char *member)
{
    return json_integer_value(json_object_get(list, member));
}

static void declare_many(int count)
{
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%03d", i);
        declare(name, i % 3 ? "{\"tier\":\"back\"}" : "{\"tier\":\"front\"}");
    }
}

Test(lists, an_empty_one_has_its_four_members)
{
    json_t *list = ask_json("GET", "/api/v1/deployments", NULL, 200);
    cr_expect_eq(count_of(list), 0);
    cr_expect(json_is_null(json_object_get(list, "next")));
    cr_expect_eq(number(list, "total"), 0);
    cr_expect(json_is_integer(json_object_get(list, "seq")));
    json_decref(list);
}

Test(lists, pages_hold_every_object_once_and_in_order)
{
    char path[200] = "/api/v1/deployments?limit=7";
    size_t seen = 0;
    declare_many(50);
    for (int page = 0; page < 8; page++) {
        json_t *list = ask_json("GET", path, NULL, 200);
        cr_expect_eq(number(list, "total"), 50);
        for (size_t i = 0; i < count_of(list); i++, seen++) {
            char want[32];
            snprintf(want, sizeof want, "d%03zu", seen);
            cr_expect_str_eq(name_at(list, i), want);
        }
        const char *next = json_string_value(json_object_get(list, "next"));
        cr_expect_eq(next == NULL, page == 7);
        if (next)
            snprintf(path, sizeof path, "/api/v1/deployments?limit=7&after=%s", next);
        json_decref(list);
    }
    cr_expect_eq(seen, 50);
}

Test(lists, selectors_choose_and_totals_count_what_is_chosen)
{
    declare_many(20);
    json_t *list = ask_json("GET", "/api/v1/deployments?selector=tier%3Dfront&limit=3", NULL, 200);
    cr_expect_eq(count_of(list), 3);
    cr_expect_eq(number(list, "total"), 7);
    char path[200];
    snprintf(path, sizeof path, "/api/v1/deployments?selector=tier%%3Dfront&limit=30&after=%s",
             json_string_value(json_object_get(list, "next")));
    json_decref(list);
    list = ask_json("GET", path, NULL, 200);
    cr_expect_eq(count_of(list), 4);
    cr_expect_eq(number(list, "total"), 7);
    cr_expect(json_is_null(json_object_get(list, "next")));
    cr_expect_str_eq(name_at(list, 0), "d009");
    json_decref(list);
    list = ask_json("GET", "/api/v1/deployments?selector=!tier", NULL, 200);
    cr_expect_eq(number(list, "total"), 0);
    json_decref(list);
}

Test(lists, fields_keep_only_what_is_named)
{
    declare("web", NULL);
    struct reply reply = ask("GET", "/api/v1/deployments?fields=name,image", NULL, NULL);
    cr_expect(strstr(reply.body, "{\"items\":[{\"name\":\"web\",\"image\":\"app:1\"}],"), "%s",
              reply.body);
    reply_free(&reply);
    json_decref(ask_json("GET", "/api/v1/deployments?fields=name,imago", NULL, 400));
    json_t *list = ask_json("GET", "/api/v1/deployments?fields=status", NULL, 200);
    json_t *first = json_array_get(json_object_get(list, "items"), 0);
    cr_expect_eq(json_object_size(first), 1);
    cr_expect(json_is_object(json_object_get(first, "status")));
    json_decref(list);
}

Test(lists, bad_parameters_are_refused_by_name)
{
    static const char *const queries[] = {
        "limit=0",    "limit=5001",   "limit=x",    "limit=",
        "limit=+5",   "after=%25%25", "after=AAAA", "selector=a%3Db%3Dc%3D%3D,,",
        "fields=a,b", "order=desc"};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        char path[200];
        snprintf(path, sizeof path, "/api/v1/deployments?%s", queries[i]);
        json_t *fault = ask_json("GET", path, NULL, 400);
        json_t *details = json_object_get(fault, "details");
        const char *field = json_string_value(json_object_get(json_array_get(details, 0), "field"));
        cr_expect(field && strncmp(queries[i], field, strlen(field)) == 0, "%s: %s", queries[i],
                  field);
        json_decref(fault);
    }
}

Test(lists, events_come_in_both_directions_and_page_alike)
{
    long long seqs[200];
    size_t count = 0;
    declare_many(10);
    json_t *list = NULL;
    long long total = -1, before;
    do { /* until the controllers, whom nothing tells of their end, have said all */
        before = total;
        json_decref(list);
        poll(NULL, 0, 200);
        list = ask_json("GET", "/api/v1/events?limit=5000", NULL, 200);
        total = number(list, "total");
    } while (total != before);
    for (size_t i = 0; i < count_of(list) && i < 200; i++)
        seqs[count++] = number(json_array_get(json_object_get(list, "items"), i), "seq");
    json_decref(list);
    cr_assert_geq(count, 10);
    char path[200] = "/api/v1/events?limit=3&order=desc";
    while (count) {
        list = ask_json("GET", path, NULL, 200);
        cr_expect_eq(number(list, "total"), total);
        for (size_t i = 0; i < count_of(list); i++)
            cr_expect_eq(number(json_array_get(json_object_get(list, "items"), i), "seq"),
                         seqs[--count]);
        const char *next = json_string_value(json_object_get(list, "next"));
        cr_assert_eq(next == NULL, count == 0);
        if (next)
            snprintf(path, sizeof path, "/api/v1/events?limit=3&order=desc&after=%s", next);
        json_decref(list);
    }
}

Test(lists, cursors_survive_the_object_they_name)
{
    declare_many(4);
    json_t *list = ask_json("GET", "/api/v1/deployments?limit=2", NULL, 200);
    char path[200];
    snprintf(path, sizeof path, "/api/v1/deployments?after=%s",
             json_string_value(json_object_get(list, "next")));
    json_decref(list);
    json_decref(ask_json("DELETE", "/api/v1/deployments/d001", NULL, 202));
    for (int i = 0; i < 1000; i++) {
        struct reply reply = ask("GET", "/api/v1/deployments/d001", NULL, NULL);
        bool gone = reply.status == 404;
        reply_free(&reply);
        if (gone)
            break;
    }
    list = ask_json("GET", path, NULL, 200);
    cr_expect_eq(count_of(list), 2);
    cr_expect_str_eq(name_at(list, 0), "d002");
    json_decref(list);
}

Test(lists, members_are_picked_from_any_object)
{
    static const char json[] = "{\"a\":{\"b\":[1,\"},\\\"\"]},\"b\":\"x,y\",\"c\":null,\"d\":[]}";
    static char a[] = "a", c[] = "c", d[] = "d", b[] = "b";
    static const struct {
        char *fields[5];
        const char *want;
    } cases[] = {{{a}, "{\"a\":{\"b\":[1,\"},\\\"\"]}}"},
                 {{b, d}, "{\"b\":\"x,y\",\"d\":[]}"},
                 {{c}, "{\"c\":null}"},
                 {{NULL}, "{}"}};
    for (size_t i = 0; i < 4; i++) {
        struct text out = {0};
        shown_pick(json, sizeof json - 1, cases[i].fields, &out);
        cr_expect_str_eq(text_string(&out), cases[i].want);
        text_finish(&out);
    }
}
