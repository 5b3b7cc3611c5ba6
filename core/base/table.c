#include "base/table.h"
#include "base/hash.h"
#include "base/text.h"

#include <assert.h>
#include <stdlib.h>

uint32_t hash_table_hash(const char *key)
{
    return (uint32_t)hash_text(key);
}

/* Buckets beyond the last power of two exist as far as they have been split. */
static uint32_t bucket_of(const struct hash_table *table, uint32_t hash)
{
    uint32_t power = 1;
    while (power < table->buckets)
        power *= 2;
    uint32_t bucket = hash & (power - 1);
    return bucket < table->buckets ? bucket : hash & (power / 2 - 1);
}

static struct hash_table_node **head_of(const struct hash_table *table, uint32_t bucket)
{
    return &table->segments[bucket / TABLE_SEGMENT][bucket % TABLE_SEGMENT];
}

/* One bucket more: the one that it is split from gives up what belongs there. */
static void split(struct hash_table *table)
{
    uint32_t fresh = table->buckets, power = 1;
    if (fresh / TABLE_SEGMENT == TABLE_SEGMENTS)
        return;
    while (power <= fresh)
        power *= 2;
    if (fresh % TABLE_SEGMENT == 0)
        table->segments[fresh / TABLE_SEGMENT] =
            memory_alloc(TABLE_SEGMENT * sizeof(struct hash_table_node *));
    table->buckets++;
    struct hash_table_node **from = head_of(table, fresh - power / 2), **to = head_of(table, fresh);
    while (*from) {
        struct hash_table_node *node = *from;
        if ((node->hash & (power - 1)) != fresh) {
            from = &node->next;
            continue;
        }
        *from = node->next;
        node->next = *to;
        *to = node;
    }
}

void hash_table_add(struct hash_table *table, struct hash_table_node *node, uint32_t hash)
{
    if (!table->segments) {
        table->segments = memory_alloc(TABLE_SEGMENTS * sizeof *table->segments);
        table->segments[0] = memory_alloc(TABLE_SEGMENT * sizeof(struct hash_table_node *));
        table->buckets = 1;
    }
    if (++table->count > table->buckets)
        split(table);
    struct hash_table_node **head = head_of(table, bucket_of(table, hash));
    node->hash = hash;
    node->next = *head;
    *head = node;
}

void hash_table_remove(struct hash_table *table, struct hash_table_node *node)
{
    struct hash_table_node **link = head_of(table, bucket_of(table, node->hash));
    while (*link != node) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = node->next;
    table->count--;
}

static struct hash_table_node *same_hash(struct hash_table_node *node, uint32_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct hash_table_node *hash_table_first(const struct hash_table *table, uint32_t hash)
{
    return table->segments ? same_hash(*head_of(table, bucket_of(table, hash)), hash) : NULL;
}

struct hash_table_node *hash_table_next(const struct hash_table_node *node)
{
    return same_hash(node->next, node->hash);
}

void hash_table_finish(struct hash_table *table)
{
    for (uint32_t i = 0; table->segments && i <= (table->buckets - 1) / TABLE_SEGMENT; i++)
        free(table->segments[i]);
    free(table->segments);
    *table = (struct hash_table){0};
}
