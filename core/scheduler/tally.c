/* How many replicas of a deployment each node has. */
#include "base/hash.h"
#include "scheduler/impl.h"

#include <stdio.h>
#include <stdlib.h>

struct tally *tally_find(const struct scheduler *scheduler, const char *deployment)
{
    struct tally *tally = NULL;
    HASH_FIND_STR(scheduler->tallies, deployment, tally);
    return tally;
}

static struct tally_entry *entry_of(struct tally_entry *entries, uint32_t room, uint32_t number)
{
    uint32_t at = (uint32_t)hash_mix(number) & (room - 1);
    while (entries[at].number && entries[at].number != number + 1)
        at = (at + 1) & (room - 1);
    return &entries[at];
}

uint32_t tally_count(const struct tally *tally, uint32_t number)
{
    return tally ? entry_of(tally->entries, tally->room, number)->count : 0;
}

/* Twice as large, or cleaned of those that are 0. */
static void grow(struct tally *tally)
{
    uint32_t held = 0, room = 8;
    for (uint32_t i = 0; i < tally->room; i++)
        held += tally->entries[i].count != 0;
    while (room < 2 * (held + 1))
        room *= 2;
    struct tally_entry *entries = memory_alloc(room * sizeof *entries);
    for (uint32_t i = 0; i < tally->room; i++)
        if (tally->entries[i].count)
            *entry_of(entries, room, tally->entries[i].number - 1) = tally->entries[i];
    free(tally->entries);
    tally->entries = entries;
    tally->room = room;
    tally->filled = held;
}

static struct tally *make_tally(struct scheduler *scheduler, const char *deployment)
{
    struct tally *tally = memory_alloc(sizeof *tally);
    snprintf(tally->deployment, sizeof tally->deployment, "%s", deployment);
    grow(tally);
    HASH_ADD_STR(scheduler->tallies, deployment, tally);
    return tally;
}

static void remove_tally(struct scheduler *scheduler, struct tally *tally)
{
    HASH_DEL(scheduler->tallies, tally);
    free(tally->entries);
    free(tally);
}

bool tally_change(struct scheduler *scheduler, const char *deployment, uint32_t number, int by)
{
    struct tally *tally = tally_find(scheduler, deployment);
    if (by < 0 && !tally_count(tally, number))
        return false;
    if (!tally)
        tally = make_tally(scheduler, deployment);
    struct tally_entry *entry = entry_of(tally->entries, tally->room, number);
    if (!entry->number && 4 * (tally->filled + 1) > 3 * tally->room) {
        grow(tally);
        entry = entry_of(tally->entries, tally->room, number);
    }
    tally->filled += !entry->number;
    entry->number = number + 1;
    entry->count += (uint32_t)by;
    tally->total += (uint64_t)(int64_t)by;
    if (!tally->total)
        remove_tally(scheduler, tally);
    return true;
}

void tallies_finish(struct scheduler *scheduler)
{
    struct tally *tally, *next;
    HASH_ITER(hh, scheduler->tallies, tally, next)
    {
        remove_tally(scheduler, tally);
    }
}
