#include "store/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct record *entry_record(const struct index_entry *entry)
{
    return entry->head ? entry->head : entry->committed ? entry->committed : entry->ghost;
}

static int compare_first(const struct index *index, size_t block, const struct record *probe)
{
    return index->kind->compare(entry_record(&index->blocks[block]->entries[0]), probe);
}

/* The last block that begins at or before the probe. */
static size_t find_block(const struct index *index, const struct record *probe)
{
    size_t low = 0, high = index->block_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (compare_first(index, middle, probe) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint32_t find_entry(const struct index *index, const struct index_block *block,
                           const struct record *probe)
{
    uint32_t low = 0, high = block->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->kind->compare(entry_record(&block->entries[middle]), probe) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool index_seek(const struct index *index, const struct record *probe,
                struct index_position *position)
{
    *position = (struct index_position){0};
    if (!index->block_count)
        return false;
    if (probe) {
        position->block = find_block(index, probe);
        position->entry = find_entry(index, index->blocks[position->block], probe);
    }
    return index_at(index, position) != NULL;
}

struct index_entry *index_at(const struct index *index, struct index_position *position)
{
    while (position->block < index->block_count) {
        struct index_block *block = index->blocks[position->block];
        if (position->entry < block->count)
            return &block->entries[position->entry];
        position->block++;
        position->entry = 0;
    }
    return NULL;
}

struct index_entry *index_find(const struct index *index, const struct record *probe)
{
    struct index_position position;
    if (!index_seek(index, probe, &position))
        return NULL;
    struct index_entry *entry = index_at(index, &position);
    return index->kind->compare(entry_record(entry), probe) == 0 ? entry : NULL;
}

static void insert_block(struct index *index, size_t at, struct index_block *block)
{
    if (index->block_count == index->block_room) {
        index->block_room = index->block_room ? index->block_room * 2 : 8;
        index->blocks = memory_resize(index->blocks, index->block_room * sizeof *index->blocks);
    }
    memmove(index->blocks + at + 1, index->blocks + at,
            (index->block_count - at) * sizeof *index->blocks);
    index->blocks[at] = block;
    index->block_count++;
}

/* Appending in order (loading, events) fills blocks; elsewhere they are halved. */
static void split_block(struct index *index, size_t at, uint32_t entry)
{
    struct index_block *block = index->blocks[at], *next = memory_alloc(sizeof *next);
    bool appending = at + 1 == index->block_count && entry == block->count;
    uint32_t keep = appending ? block->count : block->count / 2;
    next->count = block->count - keep;
    memcpy(next->entries, block->entries + keep, next->count * sizeof *next->entries);
    block->count = keep;
    insert_block(index, at + 1, next);
}

struct index_entry *index_insert(struct index *index, const struct record *probe)
{
    if (!index->block_count)
        insert_block(index, 0, memory_alloc(sizeof(struct index_block)));
    size_t at = index->blocks[0]->count ? find_block(index, probe) : 0;
    uint32_t entry = find_entry(index, index->blocks[at], probe);
    if (index->blocks[at]->count == INDEX_BLOCK) {
        split_block(index, at, entry);
        if (entry > index->blocks[at]->count || index->blocks[at]->count == INDEX_BLOCK)
            entry -= index->blocks[at++]->count;
    }
    struct index_block *block = index->blocks[at];
    memmove(block->entries + entry + 1, block->entries + entry,
            (block->count - entry) * sizeof *block->entries);
    block->count++;
    block->entries[entry] = (struct index_entry){0};
    return &block->entries[entry];
}

void index_remove(struct index *index, const struct record *probe)
{
    size_t at = find_block(index, probe);
    struct index_block *block = index->blocks[at];
    uint32_t entry = find_entry(index, block, probe);
    assert(entry < block->count);
    record_release(block->entries[entry].ghost);
    memmove(block->entries + entry, block->entries + entry + 1,
            (block->count - entry - 1) * sizeof *block->entries);
    if (--block->count)
        return;
    free(block);
    memmove(index->blocks + at, index->blocks + at + 1,
            (index->block_count - at - 1) * sizeof *index->blocks);
    index->block_count--;
}

void index_finish(struct index *index)
{
    for (size_t i = 0; i < index->block_count; i++) {
        for (uint32_t j = 0; j < index->blocks[i]->count; j++) {
            record_release(index->blocks[i]->entries[j].committed);
            record_release(index->blocks[i]->entries[j].head);
            record_release(index->blocks[i]->entries[j].ghost);
        }
        free(index->blocks[i]);
    }
    free(index->blocks);
    index->blocks = NULL;
    index->block_count = index->block_room = 0;
}
