/* Transactions against a store that answers as it is told. */
#include "batches.h"
#include "scripted_store.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(batches, .init = batches_setup, .fini = batches_teardown, .timeout = 60);

Test(batches, what_is_submitted_in_one_turn_is_one_batch)
{
    struct outcome outcomes[10] = {0};
    unsigned before = scripted.applies;
    for (int i = 0; i < 10; i++)
        put_one((char[]){(char)('a' + i), 0}, &outcomes[i]);
    run_ms(50);
    cr_assert_eq(scripted.applies, before + 1);
    for (int i = 0; i < 10; i++)
        expect_error(&outcomes[i], ERROR_NONE);
    cr_assert_eq(scripted_count("node/"), 10);
}

Test(batches, a_refusal_drops_the_batch_and_all_after_it)
{
    struct outcome a = {.gone = "a"}, b = {.gone = "b"}, c = {.gone = "a"};
    refuse(ORCH_E_FULL, 0);
    put_one("a", &a);
    put_one("b", &b);
    send_batch();
    put_one("c", &c); /* forms while the first is at the store */
    cr_assert_not_null(find(STATE_HEAD, "c"));
    run_ms(50);
    expect_error(&a, ERROR_UNAVAILABLE);
    expect_error(&b, ERROR_UNAVAILABLE);
    expect_error(&c, ERROR_UNAVAILABLE);
    cr_assert_null(find(STATE_HEAD, "c"));
    cr_assert_eq(scripted_count("node/"), 0);
    cr_assert(state_ready(state, NULL), "the next one may have luck");
}

Test(batches, nobody_sees_a_version_that_is_gone)
{
    struct outcome a = {.gone = "b"}, b = {.gone = "c"}, c = {.gone = "a"};
    refuse(ORCH_E_FULL, 0);
    put_one("a", &a);
    put_one("b", &b);
    send_batch();
    put_one("c", &c);
    run_ms(50);
    cr_assert_eq(a.times + b.times + c.times, 3);
}

Test(batches, what_was_refused_may_be_submitted_again_at_once)
{
    struct outcome a = {.retry = "a"}, b = {.retry = "b"}, c = {.retry = "c"};
    refuse(ORCH_E_IO, 0);
    put_one("a", &a);
    put_one("b", &b);
    send_batch();
    put_one("c", &c);
    run_ms(100);
    cr_assert_eq(a.error.code, ERROR_NONE, "%s", a.error.message);
    cr_assert_eq(c.error.code, ERROR_NONE, "%s", c.error.message);
    cr_assert_eq(scripted_count("node/"), 3);
    cr_assert_eq(a.times + b.times + c.times, 6);
    cr_assert(state_ready(state, NULL));
}

Test(batches, the_prefix_that_is_in_is_committed)
{
    struct outcome a = {0}, b = {0}, c = {0};
    refuse(ORCH_E_FULL, 1);
    put_one("a", &a);
    put_one("b", &b);
    put_one("c", &c);
    run_ms(50);
    expect_error(&a, ERROR_NONE);
    expect_error(&b, ERROR_UNAVAILABLE);
    expect_error(&c, ERROR_UNAVAILABLE);
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert_null(find(STATE_HEAD, "b"));
    struct outcome d = {0};
    put_one("d", &d);
    run_ms(50);
    expect_error(&d, ERROR_NONE);
}

Test(batches, an_unknown_outcome_that_did_happen_is_committed)
{
    struct outcome a = {0}, b = {0};
    scripted.status = ORCH_E_UNKNOWN;
    scripted.quietly = true;
    scripted.prefix = 0;
    put_one("a", &a);
    put_one("b", &b);
    run_ms(50);
    expect_error(&a, ERROR_NONE);
    expect_error(&b, ERROR_NONE);
    cr_assert_not_null(find(STATE_COMMITTED, "b"));
    cr_assert(state_ready(state, NULL));
}

Test(batches, an_unknown_outcome_that_did_not_happen_is_refused)
{
    struct outcome a = {0}, b = {0}, c = {0};
    refuse(ORCH_E_UNKNOWN, 1);
    put_one("a", &a);
    put_one("b", &b);
    send_batch();
    put_one("c", &c);
    run_ms(50);
    expect_error(&a, ERROR_NONE);
    expect_error(&b, ERROR_UNAVAILABLE);
    expect_error(&c, ERROR_UNAVAILABLE);
    cr_assert_null(find(STATE_HEAD, "b"));
    cr_assert(state_ready(state, NULL));
}

Test(batches, nothing_is_written_until_the_head_has_been_read_back)
{
    struct outcome a = {0}, b = {0};
    struct error why;
    scripted.status = ORCH_E_UNKNOWN;
    scripted.quietly = true;
    scripted.prefix = 0;
    scripted.blind_heads = 3;
    put_one("a", &a);
    run_ms(50);
    expect_error(&a, ERROR_UNKNOWN_OUTCOME);
    cr_assert_null(find(STATE_COMMITTED, "a"));
    cr_assert_not(state_ready(state, &why));
    cr_assert_not_null(strstr(why.message, "not known"), "%s", why.message);
    unsigned applies = scripted.applies;
    put_one("b", &b);
    run_ms(1500);
    cr_assert_eq(scripted.applies, applies);
    expect_error(&b, ERROR_UNAVAILABLE);
    cr_assert_null(find(STATE_HEAD, "b"));
    run_ms(5000);
    cr_assert_eq(a.times, 1, "told once");
    cr_assert_not_null(find(STATE_COMMITTED, "a"));
    cr_assert(state_ready(state, NULL));
    put_one("b", NULL);
    run_ms(50);
    cr_assert_not_null(find(STATE_COMMITTED, "b"), "on what is in");
}

Test(batches, nobody_waits_for_a_store_that_never_answers_again)
{
    struct outcome a = {0}, b = {0};
    scripted.status = ORCH_E_UNKNOWN;
    scripted.prefix = 0;
    scripted.blind_heads = 1000000;
    put_one("a", &a);
    send_batch();
    put_one("b", &b); /* waits for its turn while the store fails */
    run_ms(50);
    expect_error(&a, ERROR_UNKNOWN_OUTCOME);
    expect_error(&b, ERROR_UNAVAILABLE);
    cr_assert_not_null(find(STATE_HEAD, "a"), "it may have happened");
    cr_assert_null(find(STATE_HEAD, "b"));
    scripted.blind_heads = 0;
    run_ms(2000); /* it closes once it knows */
}

Test(batches, what_may_have_happened_stays_head_when_what_was_built_on_it_is_dropped)
{
    struct outcome second = {0}, third = {0}, fourth = {0};
    put_one("a", NULL);
    run_ms(50);
    scripted.status = ORCH_E_UNKNOWN;
    scripted.prefix = 0;
    scripted.quietly = true;
    scripted.blind_heads = 1;
    put_one("a", &second);
    const struct record *given = find(STATE_HEAD, "a");
    send_batch();
    put_one("a", &third);
    put_one("a", &fourth);
    run_ms(50);
    expect_error(&second, ERROR_UNKNOWN_OUTCOME);
    expect_error(&third, ERROR_UNAVAILABLE);
    expect_error(&fourth, ERROR_UNAVAILABLE);
    cr_assert_eq(find(STATE_HEAD, "a"), given, "not the committed one: it may be in");
    run_ms(2000);
    cr_assert_eq(find(STATE_COMMITTED, "a"), given);
    cr_assert_eq(find(STATE_HEAD, "a"), given);
}

Test(batches, a_daemon_that_was_fenced_off_writes_no_more)
{
    struct outcome a = {0}, b = {0};
    struct error why;
    put_one("a", &a);
    run_ms(50);
    scripted.fence += 5;
    put_one("b", &b);
    run_ms(50);
    expect_error(&b, ERROR_UNAVAILABLE);
    cr_assert_not(state_ready(state, &why));
    cr_assert_not_null(strstr(why.message, "another daemon has written"), "%s", why.message);
    cr_assert_eq(scripted_count("node/"), 1);
    cr_assert_null(find(STATE_HEAD, "b"));
}

Test(batches, a_head_that_is_read_back_and_none_of_ours_means_another_daemon)
{
    struct outcome a = {0}, b = {0};
    struct error why;
    refuse(ORCH_E_UNKNOWN, 0);
    scripted.blind_heads = 1;
    put_one("a", &a);
    run_ms(50);
    scripted.head += 1000; /* written by the other one, which has taken over */
    run_ms(1500);
    expect_error(&a, ERROR_UNKNOWN_OUTCOME);
    cr_assert_null(find(STATE_COMMITTED, "a"));
    cr_assert_null(find(STATE_HEAD, "a"));
    cr_assert_not(state_ready(state, &why));
    cr_assert_not_null(strstr(why.message, "another daemon has written"), "%s", why.message);
    put_one("b", &b);
    run_ms(50);
    expect_error(&b, ERROR_UNAVAILABLE);
}

Test(batches, a_head_that_is_another_one_means_another_daemon)
{
    struct outcome a = {0};
    struct error why;
    scripted.head += 7;
    put_one("a", &a);
    run_ms(50);
    expect_error(&a, ERROR_UNAVAILABLE);
    cr_assert_not(state_ready(state, &why));
}
