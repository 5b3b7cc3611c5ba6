#include "base/table.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS = 20000 };
struct item {
    struct hash_table_node node;
    char key[16];
};
static struct item items[ITEMS];

static struct item *find(const struct hash_table *table, const char *key)
{
    struct hash_table_node *node = hash_table_first(table, hash_table_hash(key));
    while (node && strcmp(((struct item *)node)->key, key) != 0)
        node = hash_table_next(node);
    return (struct item *)node;
}

static void fill(struct hash_table *table)
{
    for (int i = 0; i < ITEMS; i++) {
        snprintf(items[i].key, sizeof items[i].key, "item-%d", i);
        hash_table_add(table, &items[i].node, hash_table_hash(items[i].key));
    }
}

Test(hash_table, finds_each_of_many_and_nothing_else)
{
    struct hash_table table = {0};
    cr_assert_null(find(&table, "item-0"));
    fill(&table);
    cr_assert_eq(table.count, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        cr_assert_eq(find(&table, items[i].key), &items[i]);
    cr_assert_null(find(&table, "item"));
    hash_table_finish(&table);
}

Test(hash_table, what_was_removed_is_not_found_and_the_others_are)
{
    struct hash_table table = {0};
    fill(&table);
    for (int i = 0; i < ITEMS; i += 3)
        hash_table_remove(&table, &items[i].node);
    for (int i = 0; i < ITEMS; i++)
        cr_assert_eq(find(&table, items[i].key), i % 3 ? &items[i] : NULL);
    hash_table_finish(&table);
}

Test(hash_table, equal_hashes_are_told_apart_by_their_keys)
{
    struct hash_table table = {0};
    for (int i = 0; i < 100; i++) {
        snprintf(items[i].key, sizeof items[i].key, "item-%d", i);
        hash_table_add(&table, &items[i].node, 7);
    }
    int found = 0;
    for (struct hash_table_node *node = hash_table_first(&table, 7); node;
         node = hash_table_next(node))
        found++;
    cr_assert_eq(found, 100);
    cr_assert_null(hash_table_first(&table, 8));
    hash_table_finish(&table);
}
