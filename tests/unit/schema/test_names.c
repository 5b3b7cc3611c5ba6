#include "thing.h"

struct sample {
    const char *text;
    bool fine;
};

static void check_all(schema_check *check, const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char message[256] = "";
        cr_expect_eq(check(&samples[i].text, message, sizeof message), samples[i].fine,
                     "\"%s\": %s", samples[i].text, message);
        cr_expect_eq(*message != 0, !samples[i].fine, "\"%s\"", samples[i].text);
    }
}
#define CHECK_ALL(check, samples) check_all((check), (samples), sizeof(samples) / sizeof *(samples))

#define A63 "a23456789012345678901234567890123456789012345678901234567890123"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

Test(names, names)
{
    static const struct sample samples[] = {
        {"a", true},    {"a-b", true},  {"0", true},         {A63, true},    {A63 "4", false},
        {"", false},    {"A", false},   {"-a", false},       {"a-", false},  {"a.b", false},
        {"a_b", false}, {"a b", false}, {"\xc3\xa4", false}, {"a\n", false}, {"..", false}};
    CHECK_ALL(schema_check_name, samples);
}

Test(names, images)
{
    static const struct sample samples[] = {
        {"nginx:1.27", true},
        {"library/nginx:1", true},
        {"registry.test:5000/a/b:1.0-x_y", true},
        {"localhost:5000/a:1", true},
        {"nginx@sha256:" HEX64, true},
        {"nginx:1@sha256:" HEX64, true},
        {"sha256:" HEX64, true},
        {"nginx", false},
        {"nginx:", false},
        {"registry.test:5000/a", false},
        {"nginx@sha256:12", false},
        {"nginx@md5:" HEX64, false},
        {"", false},
        {":1", false},
        {"/a:1", false},
        {"a//b:1", false},
        {"a/:1", false},
        {"../etc:1", false},
        {"a/../b:1", false},
        {"-x:1", false},
        {"Nginx/App:1", false},
        {"a b:1", false},
        {"a:1\n", false},
        {"a?x=1:1", false},
        {"a:" A63 A63 "456", false},
    };
    CHECK_ALL(schema_check_image, samples);
}

Test(names, listen_addresses)
{
    static const struct sample samples[] = {{"127.0.0.1:8080", true},
                                            {"0.0.0.0:1", true},
                                            {"[::1]:80", true},
                                            {"[::]:0", true},
                                            {"127.0.0.1:65535", true},
                                            {"127.0.0.1:65536", false},
                                            {"127.0.0.1", false},
                                            {":80", false},
                                            {"localhost:80", false},
                                            {"::1:80", false},
                                            {"[::1]", false},
                                            {"[]:80", false},
                                            {"127.0.0.1:", false},
                                            {"127.0.0.1:-1", false},
                                            {"127.0.0.1:+1", false},
                                            {"127.0.0.1: 1", false},
                                            {"1.2.3:80", false},
                                            {"127.0.0.1:80x", false},
                                            {"", false}};
    CHECK_ALL(schema_check_listen, samples);
}

Test(names, paths)
{
    static const struct sample samples[] = {
        {"/", true},     {"/healthz?x=1", true}, {"", false},      {"x", false},
        {"/a b", false}, {"/a\r\nX: y", false},  {"/a\x7f", false}};
    CHECK_ALL(schema_check_path, samples);
}

Test(names, label_keys)
{
    static const struct sample samples[] = {{"a", true},
                                            {"A.b-c_d", true},
                                            {"example.org/a", true},
                                            {A63, true},
                                            {A63 "4", false},
                                            {"", false},
                                            {"/a", false},
                                            {"a/", false},
                                            {"a/b/c", false},
                                            {"Example.org/a", false},
                                            {"-a", false},
                                            {"a-", false},
                                            {"a b", false},
                                            {"a=b", false},
                                            {"\xc3\xa4", false}};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        cr_expect_eq(schema_is_label_key(samples[i].text), samples[i].fine, "\"%s\"",
                     samples[i].text);
}

Test(names, selectors_match_labels)
{
    static const struct map_entry entries[] = {{"app", "web"}, {"empty", ""}, {"zone", "a"}};
    static const struct list labels = {entries, 3};
    static const struct sample samples[] = {
        {"app=web", true}, {"app==web", true},       {"app=db", false},
        {"app!=db", true}, {"app!=web", false},      {"app", true},
        {"!app", false},   {"!rack", true},          {"rack", false},
        {"rack!=1", true}, {"app=web,zone=a", true}, {"app=web,zone=b", false},
        {"empty=", true},  {"app=", false},          {"app=web,!rack,zone", true}};
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct selector selector;
        struct error error = {0};
        cr_assert(selector_parse(samples[i].text, &arena, &selector, &error), "%s: %s",
                  samples[i].text, error.message);
        cr_expect_eq(selector_matches(&selector, &labels), samples[i].fine, "%s", samples[i].text);
    }
    arena_finish(&arena);
}

Test(names, nonsense_is_no_selector)
{
    static const char *const broken[] = {"",      ",",   "=a",   "!",     "a,,b",
                                         "a=b=c", "a b", "!a=b", "a!!=b", "a in (b)",
                                         "a=b,",  "!!a", "a=!b"};
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct selector selector;
        struct error error = {0};
        cr_expect_not(selector_parse(broken[i], &arena, &selector, &error), "%s", broken[i]);
        cr_expect(*error.message);
    }
    CLEANUP(text_finish) struct text many = {0};
    for (int i = 0; i < 17; i++)
        text_append_format(&many, "%sk%d", i ? "," : "", i);
    struct selector selector;
    cr_assert_not(selector_parse(many.data, &arena, &selector, NULL));
    arena_finish(&arena);
}
