/* What fuzz targets share. A target reads hostile bytes with the code that ships, and where that
 * code promises more than to survive, checks the promise: a broken one ends the process, which
 * libFuzzer reports with the input that did it. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(holds, ...)                                                                        \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "broken promise: " __VA_ARGS__);                                       \
            fprintf(stderr, "\n  (%s) at %s:%d\n", #holds, __FILE__, __LINE__);                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The bytes as a string of its own block, up to the first zero byte; freed with free(). */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
    return strndup((const char *)data, size);
}

/* Cuts the input at its first line feed: what stands before it, and the rest. */
static inline size_t fuzz_line(const uint8_t **data, size_t *size, const uint8_t **line)
{
    const uint8_t *end = memchr(*data, '\n', *size);
    size_t length = end ? (size_t)(end - *data) : *size;
    *line = *data;
    *data += length + (end ? 1 : 0);
    *size -= length + (end ? 1 : 0);
    return length;
}

#endif
