/* Opening: what was written is there, what is wrong is told, and any course of refusals leaves
 * memory and store alike. */
#include "batches.h"
#include "base/clock.h"
#include "scripted_store.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(opening, .init = batches_setup, .fini = batches_teardown, .timeout = 60);

Test(opening, what_was_written_is_there_when_it_is_opened_again)
{
    char uid[ID_UID_BYTES], name[16];
    for (int i = 0; i < 250; i++) { /* several pages */
        snprintf(name, sizeof name, "n%03d", i);
        put_one(name, NULL);
    }
    run_ms(50);
    snprintf(uid, sizeof uid, "%s", state_cluster_uid(state));
    close_state();
    open_state();
    cr_assert_eq(state_count(state, KIND_NODE), 250);
    cr_assert_str_eq(state_cluster_uid(state), uid);
    cr_assert_eq(find(STATE_HEAD, "n123"), find(STATE_COMMITTED, "n123"));
    cr_assert_not_null(find(STATE_HEAD, "n123"));
}

static void expect_no_opening(const char *message)
{
    close_state();
    open_state();
    cr_assert_eq(open_error.code, ERROR_IO, "code %d", open_error.code);
    cr_assert_not_null(strstr(open_error.message, message), "%s", open_error.message);
}

Test(opening, a_store_that_does_not_open_is_told)
{
    scripted.open_status = ORCH_E_BUSY;
    expect_no_opening("cannot open the store: scripted refusal");
}

Test(opening, a_store_that_does_not_list_is_told)
{
    scripted.list_status = ORCH_E_IO;
    expect_no_opening("cannot list the store: scripted refusal");
}

Test(opening, a_store_without_a_head_is_told)
{
    scripted.blind_heads = 1;
    expect_no_opening("cannot open the store: scripted silence");
}

Test(opening, a_record_that_is_no_record_is_named)
{
    scripted_put("node/bad", "{\"name\":");
    close_state();
    open_state();
    cr_assert_neq(open_error.code, ERROR_NONE);
    cr_assert_not_null(strstr(open_error.message, "the stored record node/bad"), "%s",
                       open_error.message);
}

Test(opening, a_start_that_the_store_refuses_is_told)
{
    close_state();
    refuse(ORCH_E_FULL, 0);
    open_state();
    cr_assert_eq(open_error.code, ERROR_UNAVAILABLE, "%s", open_error.message);
}

/* -- everything at once -- */

static uint64_t draw(uint64_t below)
{
    return loop_random(loop) % below;
}

static void draw_store(void)
{
    static const orch_status faults[] = {ORCH_E_FULL, ORCH_E_IO, ORCH_E_UNKNOWN};
    if (draw(4) != 0)
        return;
    scripted.status = faults[draw(3)];
    scripted.prefix = (uint32_t)draw(3);
    scripted.quietly = scripted.status == ORCH_E_UNKNOWN && draw(2) == 0;
    scripted.blind_heads = (unsigned)draw(3);
}

static void draw_change(struct txn *txn)
{
    char name[8];
    snprintf(name, sizeof name, "n%llu", (unsigned long long)draw(12));
    const struct record *head = find(STATE_HEAD, name);
    if (head && draw(2) == 0)
        txn_delete(txn, head);
    else
        put(txn, name);
}

Test(opening, memory_and_store_agree_after_any_course_of_refusals)
{
    static struct outcome outcomes[3000];
    int answered = 0, submitted = 0;
    for (int step = 0; step < 3000; step++) {
        struct txn *txn = begin();
        for (uint64_t changes = 1 + draw(4); changes; changes--)
            draw_change(txn);
        if (draw(5) == 0)
            txn_abort(txn);
        else
            txn_submit(txn, done, &outcomes[submitted++]);
        if (draw(3) == 0) {
            draw_store();
            (void)loop_run_until(loop, loop_now_ns(loop) + draw(3000) * NS_PER_US);
        }
    }
    scripted.status = ORCH_OK;
    scripted.prefix = SCRIPTED_ALL;
    scripted.quietly = false;
    scripted.blind_heads = 0;
    run_ms(10000);
    for (int i = 0; i < submitted; i++)
        answered += outcomes[i].times == 1;
    cr_assert_eq(answered, submitted, "each is answered once");
    for (int i = 0; i < 12; i++) {
        char name[8], key[16];
        snprintf(name, sizeof name, "n%d", i);
        snprintf(key, sizeof key, "node/%s", name);
        cr_assert_eq(find(STATE_COMMITTED, name) != NULL, scripted_has(key), "%s", name);
        cr_assert_eq(find(STATE_HEAD, name), find(STATE_COMMITTED, name));
    }
    cr_assert_eq(state_count(state, KIND_NODE), scripted_count("node/"));
    cr_assert(state_ready(state, NULL));
}
