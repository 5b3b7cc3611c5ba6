#include "base/hash.h"
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    char *path; /* owned; NULL: free slot */
    struct schema_position key, value;
};
struct schema_positions {
    struct entry *entries; /* open addressing, at most half full */
    size_t count, capacity;
};

struct schema_positions *schema_positions_create(void)
{
    struct schema_positions *positions = memory_alloc(sizeof *positions);
    positions->capacity = 64;
    positions->entries = memory_alloc(positions->capacity * sizeof *positions->entries);
    return positions;
}

void schema_positions_destroy(struct schema_positions *positions)
{
    if (!positions)
        return;
    for (size_t i = 0; i < positions->capacity; i++)
        free(positions->entries[i].path);
    free(positions->entries);
    free(positions);
}

static struct entry *slot_of(struct entry *entries, size_t capacity, const char *path)
{
    uint64_t at = hash_text(path);
    while (entries[at % capacity].path && strcmp(entries[at % capacity].path, path) != 0)
        at++;
    return &entries[at % capacity];
}

static void grow(struct schema_positions *positions)
{
    size_t capacity = positions->capacity * 2;
    struct entry *entries = memory_alloc(capacity * sizeof *entries);
    for (size_t i = 0; i < positions->capacity; i++)
        if (positions->entries[i].path)
            *slot_of(entries, capacity, positions->entries[i].path) = positions->entries[i];
    free(positions->entries);
    positions->entries = entries;
    positions->capacity = capacity;
}

void schema_positions_add(struct schema_positions *positions, const char *path,
                          struct schema_position key, struct schema_position value)
{
    if (positions->count * 2 >= positions->capacity)
        grow(positions);
    struct entry *entry = slot_of(positions->entries, positions->capacity, path);
    if (!entry->path) {
        entry->path = memory_strdup(path);
        positions->count++;
    }
    entry->key = key;
    entry->value = value;
}

bool schema_positions_at(const struct schema_positions *positions, const char *path,
                         struct schema_position *key, struct schema_position *value)
{
    const struct entry *entry = slot_of(positions->entries, positions->capacity, path);
    if (!entry->path)
        return false;
    if (key)
        *key = entry->key;
    if (value)
        *value = entry->value;
    return true;
}

/* Cuts the last ".name" or "[index]" off. */
static bool path_cut(char *path)
{
    size_t length = strlen(path);
    if (!length)
        return false;
    do
        length--;
    while (length && path[length] != '.' && path[length] != '[');
    path[length] = 0;
    return true;
}

static struct schema_position find(const struct schema_positions *positions, const char *path,
                                   bool want_key)
{
    struct schema_position key, value;
    if (!positions)
        return (struct schema_position){0};
    if (schema_positions_at(positions, path, &key, &value))
        return want_key ? key : value;
    char *outer = memory_strdup(path);
    struct schema_position found = {0};
    while (path_cut(outer))
        if (schema_positions_at(positions, outer, &key, &value)) {
            found = *outer ? key : value;
            break;
        }
    free(outer);
    return found;
}

struct schema_position schema_positions_find(const struct schema_positions *positions,
                                             const char *path)
{
    return find(positions, path, false);
}

struct schema_position schema_positions_find_key(const struct schema_positions *positions,
                                                 const char *path)
{
    return find(positions, path, true);
}
