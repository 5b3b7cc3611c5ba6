#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    _Alignas(16) unsigned char bytes[];
};

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t rounded = (bytes + 15) & ~(size_t)15;
    struct arena_block *block = arena->first;
    if (!block || block->capacity - block->used < rounded) {
        size_t capacity = block ? block->capacity * 2 : 1024;
        if (capacity > 256 * 1024)
            capacity = 256 * 1024;
        if (capacity < rounded)
            capacity = rounded;
        block = memory_alloc(sizeof *block + capacity);
        block->capacity = capacity;
        block->next = arena->first;
        arena->first = block;
    }
    void *memory = block->bytes + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return memory;
}

char *arena_strndup(struct arena *arena, const char *string, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    memcpy(copy, string, length);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *string)
{
    return string ? arena_strndup(arena, string, strlen(string)) : NULL;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int wanted = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *string = arena_alloc(arena, (size_t)(wanted > 0 ? wanted : 0) + 1);
    vsnprintf(string, (size_t)wanted + 1, format, again);
    va_end(again);
    return string;
}

void arena_finish(struct arena *arena)
{
    while (arena->first) {
        struct arena_block *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
    arena->used_bytes = 0;
}
