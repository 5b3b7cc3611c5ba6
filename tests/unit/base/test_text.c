#include "base/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(text, grows_and_is_always_terminated)
{
    struct text text = {0};
    cr_assert_str_eq(text_string(&text), "");
    for (int i = 0; i < 1000; i++)
        text_append_char(&text, (char)('a' + i % 26));
    cr_assert_eq(text.length, 1000);
    cr_assert_eq(strlen(text_string(&text)), 1000);
    text_clear(&text);
    cr_assert_str_eq(text_string(&text), "");
    text_append_string(&text, "a");
    text_append_int(&text, INT64_MIN);
    text_append_format(&text, "/%s/%d", "b", 7);
    text_append_format(&text, "%s", "");
    text_append(&text, NULL, 0);
    cr_assert_str_eq(text_string(&text), "a-9223372036854775808/b/7");
    text_finish(&text);
    cr_assert_eq(text.capacity, 0);
}

Test(text, is_taken_by_who_frees_it)
{
    struct text text = {0};
    char *empty = text_take(&text);
    cr_assert_str_eq(empty, "");
    free(empty);
    text_append_string(&text, "web");
    char *taken = text_take(&text);
    cr_assert_str_eq(taken, "web");
    cr_assert_null(text.data);
    free(taken);
}

Test(text, becomes_json)
{
    static const struct {
        const char *bytes, *json;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\n\r\t\b\x1f", "\"\\n\\r\\t\\u0008\\u001f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3\""},
        {"\x80", "\"\\ufffd\""},
        {"a\xc3", "\"a\\ufffd\""},
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xc2\x85", "\"\\u0085\""},
        {"\xe2\x80\xae", "\"\\u202e\""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text text = {0};
        text_append_json(&text, cases[i].bytes, strlen(cases[i].bytes));
        cr_expect_str_eq(text_string(&text), cases[i].json);
        text_finish(&text);
    }
}

Test(text, json_may_hold_a_nul_byte)
{
    struct text text = {0};
    text_append_json(&text, "a\0b", 3);
    cr_assert_str_eq(text_string(&text), "\"a\\u0000b\"");
    text_finish(&text);
}

Test(text, knows_utf8)
{
    static const struct {
        const char *bytes;
        bool good;
    } cases[] = {{"", true},
                 {"ascii", true},
                 {"\xc2\x80", true},
                 {"\xdf\xbf", true},
                 {"\xe0\xa0\x80", true},
                 {"\xef\xbf\xbf", true},
                 {"\xf4\x8f\xbf\xbf", true},
                 {"\xc1\xbf", false},         /* overlong */
                 {"\xe0\x9f\xbf", false},     /* overlong */
                 {"\xf0\x8f\xbf\xbf", false}, /* overlong */
                 {"\xed\xa0\x80", false},     /* surrogate */
                 {"\xf4\x90\x80\x80", false}, /* beyond U+10FFFF */
                 {"\xf8\x88\x80\x80\x80", false},
                 {"\xe2\x82", false},
                 {"\x80", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(text_is_utf8(cases[i].bytes, strlen(cases[i].bytes)), cases[i].good,
                     "case %zu", i);
}

Test(text, the_nearest_word_is_found_and_none_when_all_are_far)
{
    static const char *const words[] = {"listen", "level", "format", "replicas", "image"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"lisen", "listen"}, {"listne", "listen"}, {"Format", "format"}, {"replica", "replicas"},
        {"leven", "level"},  {"xyzzy", NULL},      {"", NULL},           {"imgae", "image"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *found = text_nearest(cases[i].word, words, 5);
        cr_expect(text_equal(found, cases[i].nearest), "%s gives %s", cases[i].word,
                  found ? found : "none");
    }
}

Test(text, words_of_any_length_may_be_asked_for)
{
    char word[200];
    const char *const words[] = {word, "listen"};
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = 0;
    cr_assert_null(text_nearest(word, words, 2));
    cr_assert_str_eq(text_nearest("listn", words, 2), "listen");
}

Test(text, is_defused_in_place)
{
    static const struct {
        const char *bytes, *defused;
    } cases[] = {{"plain", "plain"},
                 {"a\nb\x1b[31m", "a?b?[31m"},
                 {"\xc3\xa9", "\xc3\xa9"},
                 {"\xff\xc3", "??"},
                 {"\xe2\x80\xaex", "?x"},
                 {"\xc2\x9bx", "?x"},
                 {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char string[32];
        strcpy(string, cases[i].bytes);
        text_defuse(string);
        cr_expect_str_eq(string, cases[i].defused);
    }
}

Test(text, compares)
{
    cr_assert(text_equal("a", "a"));
    cr_assert(text_equal(NULL, NULL));
    cr_assert_not(text_equal("a", NULL));
    cr_assert_not(text_equal(NULL, "a"));
    cr_assert(text_starts_with("container/web", "container/"));
    cr_assert_not(text_starts_with("con", "container/"));
}

Test(text, memory_is_copied_and_zeroed)
{
    char *copy CLEANUP(memory_free_pointer) = memory_strdup("web");
    unsigned char *zero CLEANUP(memory_free_pointer) = memory_alloc(100);
    cr_assert_str_eq(copy, "web");
    cr_assert_null(memory_strdup(NULL));
    for (int i = 0; i < 100; i++)
        cr_assert_eq(zero[i], 0);
    zero = memory_resize(zero, 0);
    cr_assert_not_null(zero);
}
