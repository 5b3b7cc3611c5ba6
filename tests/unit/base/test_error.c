#include "base/error.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(error, every_code_has_a_word_and_a_status)
{
    static const enum error_code codes[] = {
#define X(name, word, http) name,
        ERROR_CODES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        cr_expect_gt(strlen(error_code_word(codes[i])), 0);
        cr_expect(error_code_http(codes[i]) >= 400 && error_code_http(codes[i]) < 600);
    }
    cr_assert_str_eq(error_code_word(ERROR_NOT_FOUND), "NOT_FOUND");
    cr_assert_eq(error_code_http(ERROR_NOT_FOUND), 404);
    cr_assert_eq(error_code_http(ERROR_NONE), 200);
    cr_assert_str_eq(error_code_word((enum error_code)999), "INTERNAL");
    cr_assert_eq(error_code_http((enum error_code)999), 500);
}

Test(error, grows_context_in_front_and_keeps_its_code)
{
    struct error error;
    cr_assert_not(error_set(&error, ERROR_NOT_FOUND, "no node \"%s\"", "n1"));
    cr_assert_not(error_wrap(&error, "deployment %s", "web"));
    cr_assert_str_eq(error.message, "deployment web: no node \"n1\"");
    cr_assert_eq(error.code, ERROR_NOT_FOUND);
}

Test(error, says_what_the_system_said)
{
    struct error error;
    error_set_errno(&error, ERROR_IO, ENOENT, "cannot open %s", "/x");
    cr_assert_str_eq(error.message, "cannot open /x: No such file or directory");
}

Test(error, that_nobody_wants_is_fine)
{
    cr_assert_not(error_set(NULL, ERROR_IO, "x"));
    cr_assert_not(error_set_errno(NULL, ERROR_IO, EIO, "x"));
    cr_assert_not(error_wrap(NULL, "x"));
}

Test(error, that_is_too_long_is_cut_with_a_mark)
{
    char longer[2 * ERROR_MESSAGE_BYTES];
    struct error error;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    for (int how = 0; how < 3; how++) {
        if (how == 0)
            error_set(&error, ERROR_IO, "%s", longer);
        else if (how == 1)
            error_set_errno(&error, ERROR_IO, EIO, "%.470s", longer);
        else
            error_wrap(&error, "%.100s", longer);
        cr_expect_eq(strlen(error.message), ERROR_MESSAGE_BYTES - 1, "way %d", how);
        cr_expect_str_eq(error.message + ERROR_MESSAGE_BYTES - 4, "...", "way %d", how);
    }
}
