#include "thing.h"

#include <time.h>

static void expect(const char *json, const char *wanted)
{
    struct arena arena = {0};
    struct schema_faults faults = {0};
    struct thing thing;
    CLEANUP(text_finish) struct text got = {0};
    bool fine = thing_read(json, &arena, &thing, &faults);
    for (size_t i = 0; i < faults.count; i++)
        text_append_format(&got, "%s%s: %s", i ? "\n" : "", faults.items[i].path,
                           faults.items[i].message);
    cr_expect_str_eq(text_string(&got), wanted, "for %s\nwanted %s\ngot    %s", json, wanted,
                     text_string(&got));
    cr_expect_eq(fine, !*wanted);
    schema_faults_finish(&faults);
    arena_finish(&arena);
}

Test(input, reads_every_kind)
{
    struct arena arena = {0};
    struct schema_faults faults = {0};
    struct thing thing;
    cr_assert(thing_read(THING_FULL, &arena, &thing, &faults), "%s: %s", faults.items->path,
              faults.items->message);
    cr_assert_str_eq(thing.base.note, "n");
    cr_assert_eq(thing.base.level, -5);
    cr_assert_eq(thing.maybe, 0);
    cr_assert_eq(thing.cpu, 250);
    cr_assert_eq(thing.memory, 64 << 20);
    cr_assert(!thing.on && thing.open);
    cr_assert_eq(thing.wait_ns, UINT64_C(90000000000));
    cr_assert_eq(thing.mode, 3);
    cr_assert(thing.surge.value == 2 && !thing.surge.percent);
    cr_assert_str_eq(thing.port.name, "http");
    cr_assert_eq(thing.limits.cpu_millis, 4000);
    cr_assert_eq(thing.limits.memory_bytes, NUMBER_NONE);
    cr_assert_eq(thing.extra->port, 1);
    cr_assert_eq(thing.parts.count, 2);
    cr_assert_str_eq(*LIST_AT(LIST_AT(thing.parts, struct part, 1)->words, const char *, 1), "q");
    cr_assert_str_eq(map_get(&thing.env, "b c"), "=");
    cr_assert_null(map_get(&thing.env, "B"));
    cr_assert_str_eq(thing.raw, "{\"k\":[1,null]}");
    arena_finish(&arena);
}

Test(input, fills_defaults_for_what_is_left_out)
{
    struct arena arena = {0};
    struct schema_faults faults = {0};
    struct thing thing;
    cr_assert(thing_read("{\"name\":\"a\"}", &arena, &thing, &faults));
    cr_assert_eq(thing.count, 1);
    cr_assert_eq(thing.base.level, 3);
    cr_assert_eq(thing.maybe, NUMBER_NULL);
    cr_assert_eq(thing.limits.cpu_millis, NUMBER_NULL);
    cr_assert(thing.on && !thing.open);
    cr_assert(thing.surge.percent && thing.surge.value == 25);
    cr_assert_null(thing.extra);
    cr_assert_null(thing.nick);
    cr_assert_str_eq(thing.raw, "{}");
    arena_finish(&arena);
}

Test(input, numbers_come_in_several_forms)
{
    static const struct {
        const char *json;
        int64_t cpu, memory;
        uint64_t wait_ns;
    } cases[] = {
        {"{\"name\":\"a\",\"cpu\":2,\"memory\":1048576,\"wait\":90}", 2000, 1 << 20,
         UINT64_C(90000000000)},
        {"{\"name\":\"a\",\"cpu\":0.25,\"memory\":\"1M\",\"wait\":0.5}", 250, 1000000, 500000000},
        {"{\"name\":\"a\",\"cpu\":\"0.5\",\"memory\":\"1.5Ki\",\"wait\":\"500ms\"}", 500, 1536,
         500000000},
        {"{\"name\":\"a\",\"cpu\":\"64\",\"memory\":\"1Ti\",\"wait\":\"1h\"}", 64000,
         INT64_C(1) << 40, UINT64_C(3600000000000)},
        {"{\"name\":\"a\",\"cpu\":0,\"memory\":\"0\",\"wait\":0}", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena = {0};
        struct schema_faults faults = {0};
        struct thing thing;
        cr_assert(thing_read(cases[i].json, &arena, &thing, &faults), "%s", cases[i].json);
        cr_assert_eq(thing.cpu, cases[i].cpu);
        cr_assert_eq(thing.memory, cases[i].memory);
        cr_assert_eq(thing.wait_ns, cases[i].wait_ns);
        arena_finish(&arena);
    }
}

Test(input, each_fault_says_where_what_was_wanted_and_what_was_given)
{
    static const struct {
        const char *json, *faults;
    } cases[] = {
        {"{}", "name: is required"},
        {"[]", ": must be an object, not a list"},
        {"{\"name\":null}", "name: must be a string, not null"},
        {"{\"name\":1}", "name: must be a string, not a number"},
        {"{\"name\":\"A\"}",
         "name: must be 1 to 63 of a-z, 0-9 and '-', beginning and ending with a "
         "letter or digit"},
        {"{\"name\":\"a\",\"conut\":1}", "conut: is not known; did you mean \"count\"?"},
        {"{\"name\":\"a\",\"\":1}", ": is not known"},
        {"{\"name\":\"a\",\"inner\":\"x\"}", "inner: is not known"},
        {"{\"name\":\"a\",\"mounts\":[]}", "mounts: is reserved and not built yet; leave it out"},
        {"{\"name\":\"a\",\"count\":\"1\"}", "count: must be a whole number, not a string"},
        {"{\"name\":\"a\",\"count\":1.5}", "count: must be a whole number, not a fraction"},
        {"{\"name\":\"a\",\"count\":1.0}", "count: must be a whole number, not a fraction"},
        {"{\"name\":\"a\",\"count\":-1}", "count: must be from 0 to 100"},
        {"{\"name\":\"a\",\"count\":9223372036854775807}", "count: must be from 0 to 100"},
        {"{\"name\":\"a\",\"count\":true}", "count: must be a whole number, not true or false"},
        {"{\"name\":\"a\",\"count\":13}", ": is unlucky"},
        {"{\"name\":\"a\",\"maybe\":\"none\"}", "maybe: must be a whole number, not a string"},
        {"{\"name\":\"a\",\"on\":\"true\"}", "on: must be true or false, not a string"},
        {"{\"name\":\"a\",\"on\":1}", "on: must be true or false, not a number"},
        {"{\"name\":\"a\",\"nick\":\"123456789\"}", "nick: must have 0 to 8 bytes, not 9"},
        {"{\"name\":\"a\",\"note\":\"12345678901234567\"}",
         "note: must have 0 to 16 bytes, not 17"},
        {"{\"name\":\"a\",\"cpu\":\"1e3\"}",
         "cpu: is no amount of CPU: \"250m\" or cores as a number"},
        {"{\"name\":\"a\",\"cpu\":-1}", "cpu: is no amount of CPU: \"250m\" or cores as a number"},
        {"{\"name\":\"a\",\"cpu\":0.0001}",
         "cpu: is no amount of CPU: \"250m\" or cores as a number"},
        {"{\"name\":\"a\",\"cpu\":65}", "cpu: must be from 0 to 64"},
        {"{\"name\":\"a\",\"cpu\":\"none\"}",
         "cpu: is no amount of CPU: \"250m\" or cores as a number"},
        {"{\"name\":\"a\",\"cpu\":[]}",
         "cpu: must be CPU (\"250m\") or cores as a number, not a list"},
        {"{\"name\":\"a\",\"memory\":\"64mb\"}",
         "memory: is no amount of memory: \"64Mi\", \"1G\" or bytes as a number"},
        {"{\"name\":\"a\",\"memory\":1.5}",
         "memory: must be memory (\"64Mi\", \"1G\") or bytes, not a "
         "number"},
        {"{\"name\":\"a\",\"memory\":-5}",
         "memory: is no amount of memory: \"64Mi\", \"1G\" or bytes as a number"},
        {"{\"name\":\"a\",\"memory\":\"2Ti\"}", "memory: must be from 0 to 1Ti"},
        {"{\"name\":\"a\",\"memory\":\"99999999999Ti\"}",
         "memory: is no amount of memory: \"64Mi\", \"1G\" or bytes as a number"},
        {"{\"name\":\"a\",\"wait\":\"10\"}",
         "wait: is no duration: \"500ms\", \"1m30s\" or seconds as a number"},
        {"{\"name\":\"a\",\"wait\":-1}",
         "wait: is no duration: \"500ms\", \"1m30s\" or seconds as a number"},
        {"{\"name\":\"a\",\"wait\":1e300}",
         "wait: is no duration: \"500ms\", \"1m30s\" or seconds as a number"},
        {"{\"name\":\"a\",\"wait\":\"2h\"}", "wait: must be from 0s to 1h"},
        {"{\"name\":\"a\",\"wait\":true}",
         "wait: must be a duration (\"500ms\", \"1m30s\") or seconds, not true or false"},
        {"{\"name\":\"a\",\"mode\":\"fats\"}",
         "mode: \"fats\" is none of: slow, fast, faster; did you mean \"fast\"?"},
        {"{\"name\":\"a\",\"mode\":\"\"}", "mode: \"\" is none of: slow, fast, faster"},
        {"{\"name\":\"a\",\"mode\":1}", "mode: must be a word, not a number"},
        {"{\"name\":\"a\",\"surge\":-1}",
         "surge: must be a count (0 to 1000000) or a percentage such as \"25%\""},
        {"{\"name\":\"a\",\"surge\":\" 5%\"}",
         "surge: must be a count (0 to 1000000) or a percentage such as \"25%\""},
        {"{\"name\":\"a\",\"surge\":\"-5%\"}",
         "surge: must be a count (0 to 1000000) or a percentage such as \"25%\""},
        {"{\"name\":\"a\",\"surge\":\"99999999999999999999%\"}",
         "surge: must be a count (0 to 1000000) or a percentage such as \"25%\""},
        {"{\"name\":\"a\",\"port\":0}", "port: must be a port's number (1 to 65535) or its name"},
        {"{\"name\":\"a\",\"port\":65536}",
         "port: must be a port's number (1 to 65535) or its name"},
        {"{\"name\":\"a\",\"port\":\"80/tcp\"}",
         "port: must be a port's number (1 to 65535) or its name"},
        {"{\"name\":\"a\",\"limits\":null}", "limits: must be an object, not null"},
        {"{\"name\":\"a\",\"limits\":{\"memoryLimit\":\"nine\"}}",
         "limits.memoryLimit: is no amount of memory: \"64Mi\", \"1G\" or bytes as a number"},
        {"{\"name\":\"a\",\"extra\":{}}", "extra.name: is required"},
        {"{\"name\":\"a\",\"extra\":[]}", "extra: must be an object, not a list"},
        {"{\"name\":\"a\",\"parts\":[{\"name\":\"b\"},{\"name\":\"c\",\"port\":0},7]}",
         "parts[1].port: must be from 1 to 65535\nparts[2]: must be an object, not a number"},
        {"{\"name\":\"a\",\"parts\":[{\"name\":\"b\",\"words\":[1]}]}",
         "parts[0].words[0]: must be a string, not a number"},
        {"{\"name\":\"a\",\"parts\":[1,2,3,4]}", "parts: must have 0 to 3 entries, not 4"},
        {"{\"name\":\"a\",\"tags\":{}}", "tags: must be a list, not an object"},
        {"{\"name\":\"a\",\"tags\":[\"a\",null]}", "tags[1]: must be a string, not null"},
        {"{\"name\":\"a\",\"env\":{\"A\":1}}", "env.A: must be a string, not a number"},
        {"{\"name\":\"a\",\"env\":{\"A\":{\"secret\":\"s\"}}}",
         "env.A: must be a string: references are reserved and not built yet"},
        {"{\"name\":\"a\",\"env\":{\"\":\"x\"}}", "env: name \"\" must not be empty or hold '='"},
        {"{\"name\":\"a\",\"env\":{\"A=B\":\"x\"}}",
         "env: name \"A=B\" must not be empty or hold '='"},
        {"{\"name\":\"a\",\"env\":[]}", "env: must be an object of strings, not a list"},
        {"{\"name\":\"a\",\"labels\":{\"-a\":\"x\"}}",
         "labels: key \"-a\" must be [prefix/]name: at most 63 of A-Z, a-z, 0-9, '-', '_', '.', "
         "beginning and ending with a letter or digit"},
        {"{\"name\":\"a\",\"labels\":{\"a\":\"x y\"}}",
         "labels: value of \"a\" must be at most 63 of A-Z, a-z, 0-9, '-', '_', '.', beginning and "
         "ending with a letter or digit"},
        {"{\"name\":\"a\",\"raw\":[]}", "raw: must be an object, not a list"},
        {"{\"count\":200,\"on\":3,\"zzz\":1,\"parts\":[{}]}",
         "count: must be from 0 to 100\non: must be true or false, not a number\nzzz: is not "
         "known\n"
         "parts[0].name: is required\nname: is required"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(cases[i].json, cases[i].faults);
}

Test(input, what_get_returns_can_be_put_back)
{
    expect("{\"name\":\"a\",\"at\":\"2026-01-01T00:00:00.000Z\",\"seen\":4,\"status\":{\"x\":1}}",
           "");
    expect("{\"name\":\"a\",\"at\":\"nonsense\",\"seen\":\"?\",\"status\":null}", "");
    struct arena arena = {0};
    struct schema_faults faults = {0};
    struct thing thing;
    cr_assert(thing_read("{\"name\":\"a\",\"at\":\"2026-01-01T00:00:00.000Z\",\"seen\":4}", &arena,
                         &thing, &faults));
    cr_assert(thing.at_ms == 0 && thing.seen == 0, "they are ignored");
    arena_finish(&arena);
}

Test(input, control_characters_never_reach_a_fault)
{
    expect("{\"name\":\"a\",\"k\\u001b[2J\\n\\u202e\":1}", "k?[2J??: is not known");
    expect("{\"name\":\"a\",\"mode\":\"\\u0007\"}", "mode: \"?\" is none of: slow, fast, faster");
}

Test(input, faults_are_bounded_and_the_rest_is_counted)
{
    CLEANUP(text_finish) struct text body = {0};
    struct arena arena = {0};
    struct schema_faults faults = {0};
    struct thing thing;
    struct error error = {0};
    text_append_string(&body, "{\"name\":\"a\"");
    for (int i = 0; i < 100000; i++)
        text_append_format(&body, ",\"k%d\":0", i);
    text_append_char(&body, '}');
    clock_t begun = clock();
    cr_assert_not(thing_read(text_string(&body), &arena, &thing, &faults));
    cr_assert_lt((double)(clock() - begun) / CLOCKS_PER_SEC, 2.0);
    cr_assert_eq(faults.count, SCHEMA_FAULTS_LIMIT);
    cr_assert_eq(faults.count + faults.dropped, 100000);
    schema_faults_to_error(&faults, &error);
    cr_assert_str_eq(error.message, "k0: is not known (and 99999 more)");
    schema_faults_finish(&faults);
    arena_finish(&arena);
}

Test(input, a_long_path_is_cut_and_nothing_else)
{
    CLEANUP(text_finish) struct text body = {0};
    struct arena arena = {0};
    struct schema_faults faults = {0};
    struct thing thing;
    text_append_string(&body, "{\"name\":\"a\",\"env\":{\"");
    for (int i = 0; i < 5000; i++)
        text_append_string(&body, "\xc3\xa4");
    text_append_string(&body, "\":1},\"on\":1}");
    cr_assert_not(thing_read(text_string(&body), &arena, &thing, &faults));
    cr_assert_eq(faults.count, 2);
    cr_assert(text_is_utf8(faults.items[0].path, strlen(faults.items[0].path)));
    cr_assert_str_eq(faults.items[1].path, "on");
    schema_faults_finish(&faults);
    arena_finish(&arena);
}
