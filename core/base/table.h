/* A hash table of intrusive nodes that grows by one bucket per insertion (linear hashing, Litwin
 * 1980), so that no insertion pays for moving all the others. For what may grow to millions; never
 * walked. [any thread; objects are not shared] */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_table_node {
    struct hash_table_node *next;
    uint32_t hash;
    uint32_t owner_word; /* the owner's: the gap is there anyway */
};
enum { TABLE_SEGMENT = 4096, TABLE_SEGMENTS = 16384 }; /* 64 Mi buckets */
struct hash_table {
    struct hash_table_node ***segments; /* of TABLE_SEGMENT heads each; NULL: empty */
    uint32_t buckets;                   /* in use */
    size_t count;
};
uint32_t hash_table_hash(const char *key); /* unkeyed: for keys of our own making */
void hash_table_add(struct hash_table *table, struct hash_table_node *node, uint32_t hash);
void hash_table_remove(struct hash_table *table, struct hash_table_node *node);
/* The first of that hash, and the next after one: the caller compares keys. NULL: no more. */
struct hash_table_node *hash_table_first(const struct hash_table *table, uint32_t hash);
struct hash_table_node *hash_table_next(const struct hash_table_node *node);
void hash_table_finish(struct hash_table *table); /* the nodes are their owner's */

#endif
