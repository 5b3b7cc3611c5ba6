/* Storing, showing, packing, copying, comparing: every form of the same values. */
#include "thing.h"

static struct arena arena;

static void teardown(void)
{
    arena_finish(&arena);
}
TestSuite(stored, .fini = teardown);

static struct thing full(void)
{
    struct schema_faults faults = {0};
    struct thing thing;
    cr_assert(thing_read(THING_FULL, &arena, &thing, &faults), "%s",
              faults.items ? faults.items->message : "");
    thing.at_ms = 1767225600000;
    thing.seen = 4;
    thing.inner = "i";
    return thing;
}

static char *form_of(const struct thing *thing, enum schema_form form)
{
    struct text text = {0};
    schema_write(&thing_type, thing, form, &text);
    json_t *value = json_loads(text_string(&text), JSON_REJECT_DUPLICATES, NULL);
    cr_assert(value, "%s", text_string(&text));
    json_decref(value);
    return text_take(&text);
}

static void expect_form(const struct thing *thing, enum schema_form form, const char *wanted)
{
    char *text = form_of(thing, form);
    cr_expect_str_eq(text, wanted, "got %s", text);
    free(text);
}

Test(stored, declared_form_is_what_was_given)
{
    struct thing thing = full();
    expect_form(
        &thing, SCHEMA_DECLARED,
        "{\"note\":\"n\",\"level\":-5,\"name\":\"a-1\",\"nick\":\"b\",\"count\":7,\"maybe\":0,"
        "\"cpu\":\"250m\",\"memory\":\"64Mi\",\"on\":false,\"open\":true,\"wait\":\"1m30s\","
        "\"mode\":\"faster\",\"surge\":2,\"port\":\"http\",\"limits\":{\"cpuLimit\":\"4\","
        "\"memoryLimit\":\"none\"},\"extra\":{\"name\":\"x\",\"port\":1,\"words\":[\"\"]},"
        "\"parts\":[{\"name\":\"y\",\"port\":80,\"words\":[]},{\"name\":\"z\",\"port\":65535,"
        "\"words\":[\"p\",\"q\"]}],\"tags\":[\"\xc3\xa4\",\"\xf0\x9f\x98\x80\"],\"env\":{"
        "\"A\":\"1\",\"b c\":\"=\"},\"labels\":{\"example.org/a\":\"B_1\",\"z\":\"\"},"
        "\"raw\":{\"k\":[1,null]},\"secret\":\"s\"}");
}

Test(stored, shown_form_has_no_secret_and_nothing_internal)
{
    struct thing thing = full();
    char *text = form_of(&thing, SCHEMA_SHOWN);
    cr_assert(strstr(text, "\"at\":\"2026-01-01T00:00:00.000Z\""));
    cr_assert(strstr(text, "\"seen\":4"));
    cr_assert_null(strstr(text, "secret"));
    cr_assert_null(strstr(text, "inner"));
    free(text);
}

Test(stored, zero_values_without_a_default_are_left_out_of_the_stored_form)
{
    struct schema_faults faults = {0};
    struct thing thing;
    cr_assert(thing_read("{\"name\":\"a\"}", &arena, &thing, &faults));
    expect_form(&thing, SCHEMA_STORED,
                "{\"level\":3,\"name\":\"a\",\"count\":1,\"on\":true,\"wait\":10000000000,\"mode\":"
                "\"slow\",\"surge\":\"25%\",\"limits\":{},\"raw\":{}}");
}

Test(stored, what_is_stored_reads_back_as_the_same)
{
    struct thing thing = full(), again = {0}, third = {0};
    struct error error = {0};
    char *text = form_of(&thing, SCHEMA_STORED);
    cr_assert(schema_read_stored(&thing_type, text, strlen(text), &arena, &again, &error), "%s",
              error.message);
    cr_assert(schema_equal(&thing_type, &thing, &again));
    cr_assert_eq(again.at_ms, thing.at_ms);
    cr_assert_str_eq(again.inner, "i");
    cr_assert_eq(again.seen, 0, "soft values are not stored");
    char *twice = form_of(&again, SCHEMA_STORED);
    cr_assert_str_eq(text, twice);
    free(twice);
    free(text);
    static const char newer[] = "{\"name\":\"a\",\"newer\":[{\"x\":-1.5e3}],\"on\":false}";
    cr_assert(schema_read_stored(&thing_type, newer, strlen(newer), &arena, &third, &error), "%s",
              error.message);
    cr_assert(!third.on && third.count == 1 && third.maybe == NUMBER_NULL);
}

Test(stored, false_null_and_empty_survive_where_the_default_is_another)
{
    struct thing thing = full(), again = {0};
    thing.on = false;
    thing.base.level = 0;
    thing.surge = (struct amount){0};
    thing.nick = NULL;
    thing.maybe = NUMBER_NULL;
    thing.limits.cpu_millis = NUMBER_NULL;
    thing.wait_ns = 0;
    char *text = form_of(&thing, SCHEMA_STORED);
    struct error error = {0};
    cr_assert(schema_read_stored(&thing_type, text, strlen(text), &arena, &again, &error));
    free(text);
    cr_assert(!again.on && again.base.level == 0 && again.surge.value == 0 &&
              !again.surge.percent && !again.nick && again.maybe == NUMBER_NULL &&
              again.limits.cpu_millis == NUMBER_NULL && again.wait_ns == 0);
}

Test(stored, whole_numbers_are_read_to_their_last_digit)
{
    static const struct {
        const char *text;
        int64_t number;
    } cases[] = {{"{\"count\":0}", 0},
                 {"{\"count\":-0}", 0},
                 {"{\"count\":-17 }", -17},
                 {"{\"count\":9223372036854775807}", INT64_MAX},
                 {"{\"count\":-9223372036854775808}", INT64_MIN}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct thing thing = {0};
        struct error error = {0};
        const char *text = cases[i].text;
        cr_expect(schema_read_stored(&thing_type, text, strlen(text), &arena, &thing, &error),
                  "%s: %s", text, error.message);
        cr_expect_eq(thing.count, cases[i].number, "%s", text);
    }
}

Test(stored, malformed_text_is_refused_with_its_place)
{
    static const char *const broken[] = {"",
                                         "{",
                                         "[]",
                                         "{\"name\"}",
                                         "{\"name\":}",
                                         "{\"name\":\"a\"",
                                         "{\"name\":\"a\"} x",
                                         "{\"name\":\"a\",}",
                                         "{\"name\":\"\\q\"}",
                                         "{\"name\":\"\\u12\"}",
                                         "{\"name\":\"\\ud800\"}",
                                         "{\"name\":\"\\u0000\"}",
                                         "{\"name\":\"\xff\"}",
                                         "{\"name\":\"\n\"}",
                                         "{\"name\":\"a\\",
                                         "{\"count\":1.5}",
                                         "{\"count\":--1}",
                                         "{\"count\":99999999999999999999}",
                                         "{\"count\":9223372036854775808}",
                                         "{\"count\":-9223372036854775809}",
                                         "{\"count\":-}",
                                         "{\"count\":1-}",
                                         "{\"count\":\"1\"}",
                                         "{\"on\":1}",
                                         "{\"on\":tru}",
                                         "{\"mode\":\"warp\"}",
                                         "{\"port\":70000}",
                                         "{\"surge\":4294967296}",
                                         "{\"tags\":[\"a\"",
                                         "{\"tags\":{}}",
                                         "{\"parts\":[1]}",
                                         "{\"env\":{\"b\":\"1\",\"a\":\"2\"}}",
                                         "{\"env\":{\"a\":\"1\",\"a\":\"2\"}}",
                                         "{\"env\":{\"a\":1}}",
                                         "{\"raw\":{\"a\":}}",
                                         "{\"limits\":[]}",
                                         "{\"extra\":5}",
                                         "{\"newer\":{\"a\":[}}",
                                         "{\"raw\":{\"k\":[-,null]}}",
                                         "{\"raw\":{\"k\":01}}",
                                         "{\"raw\":{\"k\":1.}}",
                                         "{\"raw\":{\"k\":1e}}",
                                         "{\"raw\":{\"k\":+1}}",
                                         "{\"raw\":[]}"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct thing thing = {0};
        struct error error = {0};
        cr_expect_not(
            schema_read_stored(&thing_type, broken[i], strlen(broken[i]), &arena, &thing, &error),
            "%s", broken[i]);
        cr_expect(text_starts_with(error.message, "Thing: ") && strstr(error.message, " at byte "),
                  "%s: %s", broken[i], error.message);
    }
}

Test(stored, deep_nesting_is_refused)
{
    struct thing thing = {0};
    struct error error = {0};
    CLEANUP(text_finish) struct text text = {0};
    text_append_string(&text, "{\"newer\":");
    for (int i = 0; i < 100000; i++)
        text_append_char(&text, '[');
    cr_assert_not(schema_read_stored(&thing_type, text.data, text.length, &arena, &thing, &error));
    cr_assert(strstr(error.message, "nested too deep"));
}

Test(stored, no_bytes_read_beyond_the_end_or_end_the_program)
{
    uint64_t seed = 88172645463325252u;
    struct thing whole = full();
    char *sample = form_of(&whole, SCHEMA_STORED);
    size_t length = strlen(sample);
    for (size_t cut = 0; cut <= length; cut++) {
        char *exact = malloc(cut ? cut : 1); /* exactly so long: sanitizers see one byte more */
        struct thing thing = {0};
        memcpy(exact, sample, cut);
        cr_expect_eq(schema_read_stored(&thing_type, exact, cut, &arena, &thing, NULL),
                     cut == length);
        free(exact);
    }
    for (int round = 0; round < 20000; round++) {
        struct thing thing = {0};
        struct arena mine = {0};
        char *bytes = malloc(length);
        memcpy(bytes, sample, length);
        for (int i = 0; i < 3; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            bytes[seed % length] = "{}[]:,\"\\0-9.enu\xff"[(seed >> 32) % 16];
        }
        if (schema_read_stored(&thing_type, bytes, length, &mine, &thing, NULL))
            free(form_of(&thing, SCHEMA_SHOWN));
        free(bytes);
        arena_finish(&mine);
    }
    free(sample);
}

Test(stored, a_packed_copy_stands_alone)
{
    struct thing thing = full(), copied = {0};
    size_t bytes = 0;
    struct thing *packed = schema_pack(&thing_type, &thing, &bytes);
    struct arena other = {0};
    schema_copy(&thing_type, &thing, &other, &copied);
    char *before = form_of(&thing, SCHEMA_STORED);
    arena_finish(&arena); /* what it was made from is gone */
    char *after = form_of(packed, SCHEMA_STORED), *from_copy = form_of(&copied, SCHEMA_STORED);
    cr_assert_str_eq(before, after);
    cr_assert_str_eq(before, from_copy);
    cr_assert_gt(bytes, sizeof *packed);
    cr_assert((const char *)packed->extra > (const char *)packed &&
                  (const char *)packed->extra < (const char *)packed + bytes,
              "everything lies in the one block");
    cr_assert_eq((uintptr_t)packed->extra % _Alignof(struct part), 0);
    cr_assert_eq((uintptr_t)packed->parts.items % _Alignof(struct part), 0);
    free(before);
    free(after);
    free(from_copy);
    free(packed);
    arena_finish(&other);
}

Test(stored, comparing_looks_at_what_users_declare_only)
{
    struct thing a = full(), b = full();
    char hash_a[65], hash_b[65];
    b.at_ms++;
    b.seen++;
    b.inner = "other";
    cr_assert(schema_equal(&thing_type, &a, &b));
    schema_hash(&thing_type, &a, hash_a);
    schema_hash(&thing_type, &b, hash_b);
    cr_assert_str_eq(hash_a, hash_b);
    b.surge.percent = true;
    cr_assert_not(schema_equal(&thing_type, &a, &b));
    schema_hash(&thing_type, &b, hash_b);
    cr_assert_str_neq(hash_a, hash_b);
}

Test(stored, members_join_with_others)
{
    CLEANUP(text_finish) struct text text = {0};
    struct limits limits = {NUMBER_NULL, NUMBER_NULL}, given = {1000, NUMBER_NULL};
    cr_assert_not(schema_write_members(&limits_type, &limits, SCHEMA_STORED, true, &text));
    cr_assert_eq(text.length, 0);
    cr_assert(schema_write_members(&limits_type, &given, SCHEMA_STORED, false, &text));
    cr_assert_str_eq(text_string(&text), ",\"cpuLimit\":1000");
}
