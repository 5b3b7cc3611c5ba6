#include "schema/schema.h"

#include <stdlib.h>

struct entry {
    const json_t *value;
    struct schema_position position;
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
    free(positions->entries);
    free(positions);
}

static struct entry *slot_of(struct entry *entries, size_t capacity, const json_t *value)
{
    size_t at = ((uintptr_t)value >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
    while (entries[at % capacity].value && entries[at % capacity].value != value)
        at++;
    return &entries[at % capacity];
}

static void grow(struct schema_positions *positions)
{
    size_t capacity = positions->capacity * 2;
    struct entry *entries = memory_alloc(capacity * sizeof *entries);
    for (size_t i = 0; i < positions->capacity; i++)
        if (positions->entries[i].value)
            *slot_of(entries, capacity, positions->entries[i].value) = positions->entries[i];
    free(positions->entries);
    positions->entries = entries;
    positions->capacity = capacity;
}

void schema_positions_add(struct schema_positions *positions, const json_t *value, int line,
                          int column)
{
    if (positions->count * 2 >= positions->capacity)
        grow(positions);
    struct entry *entry = slot_of(positions->entries, positions->capacity, value);
    positions->count += !entry->value;
    *entry = (struct entry){.value = value, .position = {.line = line, .column = column}};
}

struct schema_position schema_positions_find(const struct schema_positions *positions,
                                             const json_t *value)
{
    if (!positions || !value)
        return (struct schema_position){0};
    return slot_of(positions->entries, positions->capacity, value)->position;
}
