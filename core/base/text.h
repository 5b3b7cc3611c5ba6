/* Text: a growing buffer, an arena, and small checks on names. [any thread; objects are not shared]
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* A growing byte string, always terminated. Zero-initialised is valid and empty. */
struct text {
    char *data; /* owned; NULL while empty and never grown */
    size_t length, capacity;
};
void text_finish(struct text *text); /* frees; the text is empty and usable again */
void text_clear(struct text *text);  /* keeps the memory */
void text_reserve(struct text *text, size_t more);
void text_append(struct text *text, const void *bytes, size_t length);
void text_append_string(struct text *text, const char *string);
void text_append_char(struct text *text, char c);
void text_append_int(struct text *text, int64_t value);
void text_append_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* JSON string with quotes; invalid UTF-8 becomes U+FFFD, control characters are escaped. */
void text_append_json(struct text *text, const char *bytes, size_t length);
const char *text_string(const struct text *text); /* "" when empty; valid until the next change */
char *text_take(struct text *text); /* the caller frees with free(); the text is empty again */

/* Memory that is freed as one. Zero-initialised is valid. Allocation never returns NULL: the
 * process ends with a message when memory is out (the same rule for all of base). Zeroed. */
struct arena_block;
struct arena {
    struct arena_block *first;
    size_t used_bytes;
};
void *arena_alloc(struct arena *arena, size_t bytes);
char *arena_strndup(struct arena *arena, const char *string, size_t length);
char *arena_strdup(struct arena *arena, const char *string); /* NULL gives NULL */
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void arena_finish(struct arena *arena);

/* malloc, calloc, realloc, strdup that never return NULL. */
void *memory_alloc(size_t bytes); /* zeroed */
void *memory_resize(void *pointer, size_t bytes);
char *memory_strdup(const char *string);
void memory_free_pointer(void *pointer_to_pointer); /* for CLEANUP(memory_free_pointer) */

bool text_equal(const char *a, const char *b); /* NULL equals only NULL */
bool text_starts_with(const char *string, const char *prefix);
bool text_is_utf8(const char *bytes, size_t length);
/* The nearest of `candidates` by edit distance, NULL when none is near ("did you mean"). */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);
/* Replaces control characters (C0, C1, bidi marks) by '?', in place. */
void text_defuse(char *string);

#endif
