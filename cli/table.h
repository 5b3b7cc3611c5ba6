/* Columns of text, as wide as they have to be. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli.h"
#include "terminal.h"

struct cell {
    const char *text; /* in the arena, or static; NULL: "-" */
    enum paint paint;
};
struct table {
    struct arena *arena;
    const char *const *heads;
    size_t columns;
    struct cell *cells; /* owned: rows * columns */
    size_t rows, capacity;
    size_t widths[16]; /* grow with what was printed; a watch goes on with them */
    bool printed_heads;
};
enum { TABLE_COLUMNS = 16 };
void table_init(struct table *table, struct arena *arena, const char *const *heads, size_t columns);
void table_finish(struct table *table);
/* The next row's cells, all "-" at first. */
struct cell *table_row(struct table *table);
/* What was added since the last time; heads the first time (not with `bare`). Text of others is
 * made harmless. */
void table_print(struct table *table, FILE *out, bool bare);
/* Characters that a terminal shows, as far as UTF-8 tells. */
size_t text_columns(const char *text);

#endif
