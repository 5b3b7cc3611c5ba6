#include "docker.h"

#include <stdlib.h>
#include <string.h>

struct known *known_get(struct runtime *runtime, const char *id)
{
    struct known *known = NULL;
    HASH_FIND_STR(runtime->known, id, known);
    return known;
}

struct known *known_put(struct runtime *runtime, const char *id)
{
    struct known *known = known_get(runtime, id);
    if (!known) {
        known = memory_new(sizeof *known);
        memcpy(known->id, id, strlen(id)); /* ids are checked to fit */
        HASH_ADD_STR(runtime->known, id, known);
    }
    known->seen = runtime->list_number; /* a list under way may not know it yet */
    return known;
}

static void drop(struct runtime *runtime, struct known *known)
{
    HASH_DEL(runtime->known, known);
    free(known);
}

void known_drop(struct runtime *runtime, const char *id)
{
    struct known *known = known_get(runtime, id);
    if (known)
        drop(runtime, known);
}

void known_sweep(struct runtime *runtime, uint64_t number)
{
    struct known *known, *next;
    HASH_ITER(hh, runtime->known, known, next)
    {
        if (known->seen < number)
            drop(runtime, known);
    }
}
