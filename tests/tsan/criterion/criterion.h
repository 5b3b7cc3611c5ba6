/* What our tests use of Criterion, for programs under the thread sanitizer: Criterion starts each
 * test in a process of its own, which does not go well with it. Here all tests of a program run one
 * after another in one process. A failed cr_assert ends the program, a failed cr_expect only its
 * success. CMake puts this folder before Criterion's; the tests are the same files.
 *
 * Tests and suites of all files of a program meet in weak definitions, which the linker joins. */
#pragma GCC system_header /* as Criterion's own: its macros compare what tests hand in */
#ifndef TSAN_CRITERION_H
#define TSAN_CRITERION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct single_options {
    void (*init)(void), (*fini)(void);
    double timeout; /* ctest's counts */
    bool disabled;
    const char *description;
};
struct single_test {
    const char *suite, *name, *file;
    int line;
    struct single_options options;
    void (*run)(void);
    struct single_test *next;
};
/* [the main thread, before and in main] but `failures`, which any thread of a test may count. */
struct single_runner {
    struct single_test *suites, *tests; /* in no order */
    int failures;
};
__attribute__((weak)) struct single_runner single_runner;

#define SINGLE_REGISTER(list, identifier, ...)                                                     \
    __attribute__((constructor)) static void identifier(void)                                      \
    {                                                                                              \
        static struct single_test entry = __VA_ARGS__;                                             \
        entry.next = single_runner.list;                                                           \
        single_runner.list = &entry;                                                               \
    }
#define TestSuite(suite_name, ...)                                                                 \
    SINGLE_REGISTER(suites, single_suite_##suite_name,                                             \
                    {.suite = #suite_name, .options = {__VA_ARGS__}})                              \
    _Static_assert(true, "takes the semicolon")
#define Test(suite_name, test_name, ...)                                                           \
    static void single_run_##suite_name##_##test_name(void);                                       \
    SINGLE_REGISTER(tests, single_register_##suite_name##_##test_name,                             \
                    {.suite = #suite_name,                                                         \
                     .name = #test_name,                                                           \
                     .file = __FILE__,                                                             \
                     .line = __LINE__,                                                             \
                     .run = single_run_##suite_name##_##test_name,                                 \
                     .options = {__VA_ARGS__}})                                                    \
    static void single_run_##suite_name##_##test_name(void)

static inline void single_check(bool fatal, bool good, const char *file, int line, const char *text,
                                const char *format, ...)
{
    va_list arguments;
    if (good)
        return;
    fprintf(stderr, "%s:%d: failed: %s:", file, line, text);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    __atomic_fetch_add(&single_runner.failures, 1, __ATOMIC_RELAXED);
    if (fatal)
        _exit(1);
}

static inline bool single_text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The text in front joins the format of those that have one. */
#define SINGLE_CHECK(fatal, good, text, ...)                                                       \
    single_check((fatal), (good), __FILE__, __LINE__, (text), " " __VA_ARGS__)
#define cr_assert(good, ...) SINGLE_CHECK(true, (good), #good, __VA_ARGS__)
#define cr_assert_not(bad, ...) SINGLE_CHECK(true, !(bad), "not " #bad, __VA_ARGS__)
#define cr_assert_fail(...) SINGLE_CHECK(true, false, "reached", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) SINGLE_CHECK(true, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) SINGLE_CHECK(true, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) SINGLE_CHECK(true, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) SINGLE_CHECK(true, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) SINGLE_CHECK(true, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) SINGLE_CHECK(true, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...) SINGLE_CHECK(true, !(a), #a " is NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...) SINGLE_CHECK(true, (a) != NULL, #a " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)                                                                \
    SINGLE_CHECK(true, single_text_equal((a), (b)), #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                               \
    SINGLE_CHECK(true, !single_text_equal((a), (b)), #a " is not " #b, __VA_ARGS__)
#define cr_expect(good, ...) SINGLE_CHECK(false, (good), #good, __VA_ARGS__)
#define cr_expect_not(bad, ...) SINGLE_CHECK(false, !(bad), "not " #bad, __VA_ARGS__)
#define cr_expect_eq(a, b, ...) SINGLE_CHECK(false, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...) SINGLE_CHECK(false, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...) SINGLE_CHECK(false, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) SINGLE_CHECK(false, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) SINGLE_CHECK(false, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) SINGLE_CHECK(false, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_not_null(a, ...) SINGLE_CHECK(false, (a) != NULL, #a " is not NULL", __VA_ARGS__)
#define cr_expect_null(a, ...) SINGLE_CHECK(false, !(a), #a " is NULL", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)                                                                \
    SINGLE_CHECK(false, single_text_equal((a), (b)), #a " is " #b, __VA_ARGS__)
#define cr_log_error(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

static inline const struct single_options *single_suite(const char *name)
{
    static const struct single_options none;
    struct single_test *suite = single_runner.suites;
    while (suite && strcmp(suite->suite, name) != 0)
        suite = suite->next;
    return suite ? &suite->options : &none;
}

static inline int single_compare(const void *a, const void *b)
{
    const struct single_test *x = *(struct single_test *const *)a;
    const struct single_test *y = *(struct single_test *const *)b;
    int order = strcmp(x->file, y->file);
    return order ? order : x->line - y->line;
}

static inline void single_run(const struct single_test *test)
{
    const struct single_options *suite = single_suite(test->suite);
    void (*init)(void) = test->options.init ? test->options.init : suite->init;
    void (*fini)(void) = test->options.fini ? test->options.fini : suite->fini;
    printf("%s::%s\n", test->suite, test->name);
    fflush(stdout);
    if (init)
        init();
    test->run();
    if (fini)
        fini();
}

/* In the order in which the files have them: main [PART OF SUITE::NAME] */
__attribute__((weak)) int main(int count, char **arguments)
{
    struct single_test *tests[1000];
    char name[256];
    size_t found = 0, run = 0;
    for (struct single_test *test = single_runner.tests; test && found < 1000; test = test->next)
        tests[found++] = test;
    qsort(tests, found, sizeof tests[0], single_compare);
    for (size_t i = 0; i < found; i++) {
        snprintf(name, sizeof name, "%s::%s", tests[i]->suite, tests[i]->name);
        if (tests[i]->options.disabled || (count > 1 && !strstr(name, arguments[1])))
            continue;
        single_run(tests[i]);
        run++;
    }
    printf("%zu tests, %d failures\n", run, single_runner.failures);
    return run == 0 || single_runner.failures ? 1 : 0;
}

#endif
