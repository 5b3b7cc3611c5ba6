#include "thing.h"

static void expect_refused(const char *bytes, size_t length, const char *wanted)
{
    json_t *value = NULL;
    struct error error = {0};
    cr_expect_not(schema_parse_body(bytes, length, 32, &value, &error), "%s", bytes);
    cr_expect_null(value);
    cr_expect_eq(error.code, ERROR_VALIDATION);
    cr_expect(strstr(error.message, wanted), "wanted <%s> got <%s>", wanted, error.message);
}

Test(body, an_object_is_taken)
{
    json_t *value = NULL;
    struct error error = {0};
    cr_assert(schema_parse_body(" {\"a\":[1]}\n", 11, 32, &value, &error), "%s", error.message);
    cr_assert_eq(json_object_size(value), 1);
    json_decref(value);
}

Test(body, all_else_is_refused_with_line_and_column)
{
    static const struct {
        const char *body, *message;
    } cases[] = {{"", "is empty"},
                 {"[]", "must be a JSON object"},
                 {"null", "must be a JSON object"},
                 {"5", "must be a JSON object"},
                 {"{\n \"a\": 1,\n \"a\": 2}", "line 3, column "},
                 {"{\"a\":1} x", "line 1, column "},
                 {"{\"a\":1}{}", "line 1, column "},
                 {"{'a':1}", "line 1, column "},
                 {"{\"a\":01}", "line 1, column "},
                 {"{\"a\":NaN}", "line 1, column "},
                 {"{\"a\":1e999}", "line 1, column "},
                 {"{\"a\":99999999999999999999}", "line 1, column "},
                 {"{\"a\":\"\\u0000\"}", "line 1, column "},
                 {"{\"a\":\"\xff\"}", "line 1, column "},
                 {"{\"a\":\"\xed\xa0\x80\"}", "line 1, column "},
                 {"{\"a\":\"\xc0\x80\"}", "line 1, column "},
                 {"{\"a\":\"\\ud800\"}", "line 1, column "},
                 {"\xef\xbb\xbf{}", "line 1, column "},
                 {"{\"a\":\"\x01\"}", "line 1, column "},
                 {"// c\n{}", "line 1, column "},
                 {"{\"a\":1,}", "line 1, column "}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i].body, strlen(cases[i].body), cases[i].message);
    expect_refused("{\"a\":1}\0", 8, "line 1, column ");
    expect_refused("{\"a\0b\":1}", 9, "line 1, column ");
}

Test(body, depth_is_bounded_before_it_is_parsed)
{
    json_t *value = NULL;
    struct error error = {0};
    CLEANUP(text_finish) struct text text = {0};
    text_append_string(&text, "{\"a\":");
    for (int i = 0; i < 31; i++)
        text_append_char(&text, '[');
    text_append_string(&text, "\"]}[{\\\"[[\"");
    for (int i = 0; i < 31; i++)
        text_append_char(&text, ']');
    text_append_char(&text, '}');
    cr_assert(schema_parse_body(text.data, text.length, 32, &value, &error), "%s", error.message);
    json_decref(value);
    text_clear(&text);
    for (int i = 0; i < 1 << 20; i++)
        text_append_char(&text, '[');
    expect_refused(text.data, text.length, "deeper than 32 levels");
}

Test(body, a_merge_patch_does_what_rfc_7396_s_examples_say)
{
    static const struct {
        const char *target, *patch, *result;
    } cases[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *target = json_loads(cases[i].target, JSON_DECODE_ANY, NULL);
        json_t *untouched = json_deep_copy(target);
        json_t *patch = json_loads(cases[i].patch, JSON_DECODE_ANY, NULL);
        json_t *wanted = json_loads(cases[i].result, JSON_DECODE_ANY, NULL);
        json_t *result = schema_merge_patch(target, patch);
        cr_expect(json_equal(result, wanted), "case %zu", i);
        cr_expect(json_equal(target, untouched), "case %zu changed its target", i);
        json_decref(target);
        json_decref(untouched);
        json_decref(patch);
        json_decref(wanted);
        json_decref(result);
    }
}
