#include "bench.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

extern const struct orch_manifest consistent_hash_manifest;

enum { KEYS = 10000 };

static struct bench bench;
static struct bench_snapshot first, second;

static void set_up(void)
{
    bench_init(&bench, &consistent_hash_manifest, 7);
}

static void tear_down(void)
{
    bench_finish(&bench);
}

TestSuite(consistent_hash, .init = set_up, .fini = tear_down);

static const struct bench_endpoint five[] = {{.id = "a"}, {.id = "b"}, {.id = "c"},
                                             {.id = "d"}, {.id = "e"}, {.id = NULL}};
static const struct bench_endpoint four[] = {
    {.id = "a"}, {.id = "b"}, {.id = "d"}, {.id = "e"}, {.id = NULL}};

static uint64_t key(int i)
{
    return (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static const char *owner(struct bench_snapshot *snapshot, int i)
{
    bench.key = key(i);
    return snapshot->items[bench_pick(&bench)].id.ptr;
}

Test(consistent_hash, answers_none_without_endpoints)
{
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
    bench_publish(&bench, &first, five + 5);
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(consistent_hash, shares_keys_evenly)
{
    int picks[5] = {0};
    bench_publish(&bench, &first, five);
    for (int i = 0; i < KEYS; i++)
        picks[owner(&first, i)[0] - 'a']++;
    for (int i = 0; i < 5; i++) {
        cr_expect(ge(int, picks[i], KEYS / 5 * 9 / 10));
        cr_expect(le(int, picks[i], KEYS / 5 * 11 / 10));
    }
}

Test(consistent_hash, sends_a_key_to_the_same_endpoint_whatever_the_worker)
{
    struct bench_snapshot other_snapshot;
    struct bench other;
    bench_init(&other, &consistent_hash_manifest, 1234567);
    bench_publish(&bench, &first, five);
    bench_publish(&other, &other_snapshot, five);
    for (int i = 0; i < 100; i++) {
        bench.key = other.key = key(i);
        cr_expect(eq(int, bench_pick(&bench), bench_pick(&other)));
    }
    bench_finish(&other);
}

Test(consistent_hash, moves_few_keys_when_an_endpoint_goes)
{
    static char before[KEYS];
    int moved = 0;
    bench_publish(&bench, &first, five);
    for (int i = 0; i < KEYS; i++)
        before[i] = owner(&first, i)[0];
    bench_publish(&bench, &second, four);
    for (int i = 0; i < KEYS; i++)
        moved += before[i] != 'c' && owner(&second, i)[0] != before[i];
    cr_expect(le(int, moved, KEYS / 10), "%d of %d moved that need not have", moved, KEYS);
}

Test(consistent_hash, shares_by_weight)
{
    static const struct bench_endpoint weighted[] = {
        {.id = "a", .weight = 3}, {.id = "b", .weight = 1}, {.id = NULL}};
    int heavy = 0;
    bench_publish(&bench, &first, weighted);
    for (int i = 0; i < KEYS; i++)
        heavy += owner(&first, i)[0] == 'a';
    cr_expect(ge(int, heavy, KEYS * 70 / 100));
    cr_expect(le(int, heavy, KEYS * 80 / 100));
}

Test(consistent_hash, has_a_second_choice_of_its_own_for_each_key)
{
    int picks[5] = {0};
    bench_publish(&bench, &first, five);
    for (int i = 0; i < 1000; i++) {
        bench.key = key(i);
        bench.tried = 0;
        int32_t primary = bench_pick(&bench);
        bench.tried = UINT64_C(1) << primary;
        int32_t next = bench_pick(&bench);
        cr_assert(ne(int, next, primary));
        cr_expect(eq(int, bench_pick(&bench), next));
        picks[next]++;
    }
    for (int i = 0; i < 5; i++)
        cr_expect(ge(int, picks[i], 100)); /* not all to one neighbour */
    bench.tried = 31;
    cr_expect(eq(int, bench_pick(&bench), ORCH_PICK_NONE));
}

Test(consistent_hash, spreads_what_has_no_key)
{
    bench_publish(&bench, &first, five);
    bench.key = 0;
    bench_pick_many(&bench, 1000);
    for (int i = 0; i < 5; i++)
        cr_expect(ge(int, bench.picks[i], 100));
}

static orch_status create_with(const char *config, struct orch_balancer_wants *wants)
{
    struct orch_error error = {.size = sizeof error};
    void *policy = NULL;
    orch_status status = bench.table->create(NULL, NULL, (struct orch_str){config, strlen(config)},
                                             1, &policy, wants, &error);
    static char name[64];
    if (status == ORCH_OK && wants->keys[0].name.len) {
        snprintf(name, sizeof name, "%.*s", (int)wants->keys[0].name.len, wants->keys[0].name.ptr);
        wants->keys[0].name.ptr = name; /* it lives with the policy */
    }
    if (status == ORCH_OK)
        bench.table->destroy(policy);
    return status;
}

Test(consistent_hash, asks_for_the_key_that_is_configured)
{
    struct orch_balancer_wants wants = {.size = sizeof wants};
    cr_expect(eq(int, create_with("{}", &wants), ORCH_OK));
    cr_expect(eq(int, (int)wants.keys[0].kind, ORCH_KEY_SOURCE));
    cr_expect(eq(int, create_with("{\"name\": \"key\", \"key\" : \"header\"}", &wants), ORCH_OK));
    cr_expect(eq(int, (int)wants.keys[0].kind, ORCH_KEY_HEADER));
    cr_expect(eq(str, (char *)wants.keys[0].name.ptr, "key"));
    cr_expect(eq(int, create_with("{\"key\":\"path\"}", &wants), ORCH_OK));
    cr_expect(eq(int, (int)wants.keys[0].kind, ORCH_KEY_PATH));
}

Test(consistent_hash, refuses_a_header_without_name_and_a_name_without_use)
{
    struct orch_balancer_wants wants = {.size = sizeof wants};
    cr_expect(eq(int, create_with("{\"key\":\"cookie\"}", &wants), ORCH_E_INVALID));
    cr_expect(eq(int, create_with("{\"name\":\"x\"}", &wants), ORCH_E_INVALID));
}

Test(consistent_hash, gives_a_growing_endpoint_a_growing_part_of_its_keys)
{
    static char whole[KEYS];
    int had = 0, own = 0, moved = 0;
    bench_publish(&bench, &first, five);
    for (int i = 0; i < KEYS; i++) {
        whole[i] = owner(&first, i)[0];
        own += whole[i] == 'c';
    }
    for (uint32_t weight = 64; weight <= 256; weight += 64) {
        int has = 0;
        first.cells[2].effective_weight = weight;
        for (int i = 0; i < KEYS; i++) {
            char now = owner(&first, i)[0];
            has += now == 'c';
            moved += now != whole[i] && whole[i] != 'c';
        }
        cr_expect(gt(int, has, own *(int)weight / 256 * 9 / 10));
        cr_expect(gt(int, has, had));
        had = has;
    }
    cr_expect(eq(int, had, own));
    cr_expect(eq(int, moved, 0), "keys of others stay");
}

Test(consistent_hash, serves_when_all_of_them_grow)
{
    bench_publish(&bench, &first, five);
    for (int i = 0; i < 5; i++)
        first.cells[i].effective_weight = 1;
    for (int i = 0; i < 1000; i++)
        cr_expect_not_null(owner(&first, i));
}
