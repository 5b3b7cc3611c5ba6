#include "base/id.h"

#include <criterion/criterion.h>
#include <string.h>

Test(id, a_seed_gives_the_same_numbers_again)
{
    struct random_seeded a, b, c;
    random_seeded_init(&a, 7);
    random_seeded_init(&b, 7);
    random_seeded_init(&c, 8);
    struct random_source x = random_seeded_source(&a), y = random_seeded_source(&b),
                         z = random_seeded_source(&c);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t number = x.next(x.context);
        cr_assert_eq(number, y.next(y.context));
        differs = differs || number != z.next(z.context);
    }
    cr_assert(differs);
}

Test(id, a_uid_is_32_hex_digits)
{
    char uid[ID_UID_BYTES], other[ID_UID_BYTES];
    id_make_uid(random_source_system(), uid);
    id_make_uid(random_source_system(), other);
    cr_assert_eq(strlen(uid), 32);
    cr_assert_eq(strspn(uid, "0123456789abcdef"), 32);
    cr_assert_str_neq(uid, other);
}

Test(id, a_suffix_has_no_vowels_and_no_look_alikes)
{
    struct random_seeded generator;
    random_seeded_init(&generator, 1);
    for (int i = 0; i < 1000; i++) {
        char suffix[ID_SUFFIX_BYTES];
        id_make_suffix(random_seeded_source(&generator), suffix);
        cr_assert_eq(strlen(suffix), 6);
        cr_assert_eq(strspn(suffix, "bcdfghjkmnpqrstvwxz2456789"), 6, "%s", suffix);
    }
}
