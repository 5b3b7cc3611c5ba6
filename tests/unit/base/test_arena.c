#include "base/text.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(arena, memory_is_zeroed_aligned_and_apart)
{
    struct arena arena = {0};
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(&arena, i * 7 + 1);
        cr_assert_eq((uintptr_t)pieces[i] % 16, 0);
        for (size_t j = 0; j < i * 7 + 1; j++)
            cr_assert_eq(pieces[i][j], 0);
        memset(pieces[i], (int)i + 1, i * 7 + 1);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < i * 7 + 1; j++)
            cr_assert_eq(pieces[i][j], (unsigned char)(i + 1));
    arena_finish(&arena);
}

Test(arena, takes_what_is_larger_than_any_block)
{
    struct arena arena = {0};
    char *large = arena_alloc(&arena, 1000000), *small = arena_alloc(&arena, 1);
    memset(large, 'x', 1000000);
    cr_assert_eq(*small, 0);
    cr_assert_geq(arena.used_bytes, 1000001);
    arena_finish(&arena);
}

Test(arena, copies_strings)
{
    struct arena arena = {0};
    cr_assert_str_eq(arena_strdup(&arena, "web"), "web");
    cr_assert_null(arena_strdup(&arena, NULL));
    cr_assert_str_eq(arena_strndup(&arena, "web-1", 3), "web");
    cr_assert_str_eq(arena_strndup(&arena, "", 0), "");
    cr_assert_str_eq(arena_format(&arena, "%s-%d", "web", 7), "web-7");
    cr_assert_str_eq(arena_format(&arena, "%s", ""), "");
    arena_finish(&arena);
}

Test(arena, is_usable_again_once_finished)
{
    struct arena arena = {0};
    arena_alloc(&arena, 100);
    arena_finish(&arena);
    cr_assert_eq(arena.used_bytes, 0);
    cr_assert_str_eq(arena_strdup(&arena, "again"), "again");
    arena_finish(&arena);
}
