/* Keys: a right one is right, whatever was tried; wrong ones are slowed down. */
#include "rig.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct auth auth;

static void setup(void)
{
    auth_init(&auth, "right");
}

static void teardown(void)
{
    auth_finish(&auth);
}

TestSuite(auth, .init = setup, .fini = teardown);

static enum auth_verdict check(const char *key, const char *address, uint64_t second)
{
    unsigned retry_after = 0;
    enum auth_verdict verdict =
        auth_check(&auth, key, address, (second + 1) * NS_PER_SECOND, &retry_after);
    cr_expect_eq(retry_after > 0, verdict == AUTH_BACK_OFF);
    return verdict;
}

Test(auth, wrong_keys_back_off_after_ten_and_the_right_one_never)
{
    for (int i = 0; i < 10; i++)
        cr_expect_eq(check("wrong", "10.0.0.1", 0), AUTH_WRONG);
    for (int i = 0; i < 100; i++) {
        cr_expect_eq(check("wrong", "10.0.0.1", 0), AUTH_BACK_OFF);
        cr_expect_eq(check("right", "10.0.0.1", 0), AUTH_RIGHT);
    }
    cr_expect_eq(check("wrong", "10.0.0.2", 0), AUTH_WRONG);
}

Test(auth, tries_come_back_with_time)
{
    for (int i = 0; i < 11; i++)
        check("wrong", "10.0.0.1", 0);
    cr_expect_eq(check("wrong", "10.0.0.1", 7), AUTH_WRONG);
    cr_expect_eq(check("wrong", "10.0.0.1", 7), AUTH_BACK_OFF);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(check("wrong", "10.0.0.1", 3600), AUTH_WRONG);
    cr_expect_eq(check("wrong", "10.0.0.1", 3600), AUTH_BACK_OFF);
}

Test(auth, many_addresses_share_a_bound_and_cost_bounded_memory)
{
    char address[48];
    unsigned wrong = 0, retry_after;
    for (int i = 0; i < 100000; i++) {
        snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
        wrong += auth_check(&auth, "wrong", address, NS_PER_SECOND, &retry_after) == AUTH_WRONG;
    }
    cr_assert_leq(wrong, 100);
    cr_assert_leq(HASH_COUNT(auth.addresses), 4096);
    cr_expect_eq(check("right", "10.0.0.1", 0), AUTH_RIGHT);
}

Test(auth, keys_that_are_nearly_right_are_wrong)
{
    static const char *const keys[] = {"", "righ", "right ", "rightx", "Right", "right\xff"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        cr_expect_eq(check(keys[i], "10.0.0.1", 0), AUTH_WRONG, "%s", keys[i]);
}

Test(auth, over_http_wrong_keys_hear_401_then_429, .init = NULL, .fini = NULL)
{
    char scratch[256];
    rig_start(NULL);
    for (int i = 0; i < 12; i++) {
        struct reply reply = ask_plain("GET", "/api/v1/nodes", "X-API-Key: wrong\r\n", NULL);
        cr_expect_eq(reply.status, i < 10 ? 401 : 429, "%d: %d", i, reply.status);
        if (i >= 10)
            cr_expect(atoi(reply_header(&reply, "Retry-After", scratch)) > 0);
        reply_free(&reply);
    }
    struct reply reply = ask("GET", "/api/v1/nodes", NULL, NULL);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
    rig_stop();
}
