#include "base/text.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

enum { GUARD_BYTES = 256, GUARD_VALUE = 0xa5 };

void *guarded_create(uint32_t size)
{
    unsigned char *memory = memory_alloc(size + GUARD_BYTES);
    memset(memory + size, GUARD_VALUE, GUARD_BYTES);
    memcpy(memory, &size, sizeof size);
    return memory;
}

bool guarded_intact(const void *memory, uint32_t size)
{
    const unsigned char *guard = (const unsigned char *)memory + size;
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (guard[i] != GUARD_VALUE)
            return false;
    return true;
}

void guarded_destroy(void *memory)
{
    free(memory);
}
