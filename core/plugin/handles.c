#include "plugin/handles.h"
#include "base/text.h"

#include <assert.h>
#include <stdlib.h>

void handles_finish(struct handles *handles)
{
    free(handles->slots);
    *handles = (struct handles){0};
}

static void grow(struct handles *handles)
{
    if (handles->count == handles->capacity) {
        handles->capacity = handles->capacity ? handles->capacity * 2 : 16;
        handles->slots = memory_resize(handles->slots, handles->capacity * sizeof *handles->slots);
    }
    handles->slots[handles->count] = (struct handle_slot){0};
    handles->first_free = ++handles->count;
}

uint64_t handles_put(struct handles *handles, void *thing)
{
    assert(thing);
    if (!handles->first_free)
        grow(handles);
    uint32_t index = handles->first_free - 1;
    struct handle_slot *slot = &handles->slots[index];
    handles->first_free = slot->next_free;
    handles->used++;
    slot->thing = thing;
    slot->generation++;
    return (uint64_t)slot->generation << 32 | (index + 1);
}

void *handles_get(const struct handles *handles, uint64_t id)
{
    uint32_t index = (uint32_t)id - 1;
    if (!id || index >= handles->count)
        return NULL;
    const struct handle_slot *slot = &handles->slots[index];
    return slot->generation == (uint32_t)(id >> 32) ? slot->thing : NULL;
}

void handles_remove(struct handles *handles, uint64_t id)
{
    assert(handles_get(handles, id));
    uint32_t index = (uint32_t)id - 1;
    handles->slots[index].thing = NULL;
    handles->slots[index].next_free = handles->first_free;
    handles->first_free = index + 1;
    handles->used--;
}

void *handles_at(const struct handles *handles, uint32_t index)
{
    return handles->slots[index].thing;
}
