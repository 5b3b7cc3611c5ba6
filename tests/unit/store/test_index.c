/* The index against a model: a bit for every key. */
#include "store/impl.h"

#include <criterion/criterion.h>
#include <string.h>

enum { KEYS = 20000, STEPS = 100000 };
static struct index ix = {.kind = &event_kind};
static bool present[KEYS];
static size_t present_count;

static const struct record *probe_of(uint64_t seq)
{
    static struct event probe;
    probe = (struct event){.record = {.kind = &event_kind, .seq = seq}};
    return &probe.record;
}

static void insert(uint64_t key)
{
    struct event event = {.record.seq = key};
    struct record *record = record_create(&event_kind, &event);
    struct index_entry *entry = index_insert(&ix, record);
    *entry = (struct index_entry){.committed = record};
    present[key] = true;
    present_count++;
}

static void take_away(uint64_t key)
{
    struct index_entry *entry = index_find(&ix, probe_of(key));
    const struct record *record = entry->committed;
    index_remove(&ix, probe_of(key));
    record_release(record);
    present[key] = false;
    present_count--;
}

/* All entries from the first not before `from`, in order, are the model's. */
static void expect_model(uint64_t from)
{
    struct index_position position;
    struct index_entry *entry;
    uint64_t key = from;
    size_t seen = 0, wanted = 0;
    for (uint64_t i = from; i < KEYS; i++)
        wanted += present[i];
    cr_assert_eq(index_seek(&ix, probe_of(from), &position), wanted > 0);
    for (; wanted && (entry = index_at(&ix, &position)); position.entry++, seen++, key++) {
        while (key < KEYS && !present[key])
            key++;
        cr_assert_eq(entry->committed->seq, key);
    }
    cr_assert_eq(seen, wanted);
}

static void check_blocks(void)
{
    size_t total = 0;
    for (size_t i = 0; i < ix.block_count; i++) {
        cr_assert(ix.blocks[i]->count > 0 && ix.blocks[i]->count <= INDEX_BLOCK);
        total += ix.blocks[i]->count;
    }
    cr_assert_eq(total, present_count);
}

Test(store_index, is_as_its_model_after_100000_inserts_and_removes)
{
    struct random_seeded generator;
    random_seeded_init(&generator, 5);
    struct random_source random = random_seeded_source(&generator);
    for (int step = 0; step < STEPS; step++) {
        uint64_t key = random.next(random.context) % KEYS;
        struct index_entry *found = index_find(&ix, probe_of(key));
        cr_assert_eq(found != NULL, present[key]);
        if (found)
            take_away(key);
        else
            insert(key);
        if (step % 10000 == 0) {
            expect_model(0);
            expect_model(random.next(random.context) % KEYS);
            check_blocks();
        }
    }
    expect_model(0);
    check_blocks();
    for (uint64_t key = 0; key < KEYS; key++)
        if (present[key])
            take_away(key);
    cr_assert_eq(ix.block_count, 0);
    index_finish(&ix);
}

Test(store_index, what_is_appended_in_order_fills_its_blocks)
{
    for (uint64_t key = 0; key < 10 * INDEX_BLOCK; key++)
        insert(key);
    cr_assert_eq(ix.block_count, 10);
    expect_model(0);
    index_finish(&ix);
}

Test(store_index, what_comes_in_falling_order_is_found)
{
    for (uint64_t key = 1000; key-- > 0;)
        insert(key);
    expect_model(0);
    expect_model(999);
    check_blocks();
    index_finish(&ix);
}

Test(store_index, an_empty_one_has_nothing)
{
    struct index_position position;
    cr_assert_null(index_find(&ix, probe_of(1)));
    cr_assert_not(index_seek(&ix, NULL, &position));
    insert(1);
    take_away(1);
    cr_assert_not(index_seek(&ix, NULL, &position));
    insert(2);
    expect_model(0);
    index_finish(&ix);
}
