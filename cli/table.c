#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 3 };

void table_init(struct table *table, struct arena *arena, const char *const *heads, size_t columns)
{
    *table = (struct table){.arena = arena, .heads = heads, .columns = columns};
}

void table_finish(struct table *table)
{
    free(table->cells);
    table->cells = NULL;
}

struct cell *table_row(struct table *table)
{
    if (table->rows == table->capacity) {
        table->capacity = table->capacity * 2 + 16;
        table->cells =
            memory_resize(table->cells, table->capacity * table->columns * sizeof *table->cells);
    }
    struct cell *row = &table->cells[table->rows++ * table->columns];
    memset(row, 0, table->columns * sizeof *row);
    return row;
}

size_t text_columns(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Every cell a text of its own that a terminal may see. */
static void settle(struct table *table)
{
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        struct cell *cell = &table->cells[i];
        char *text = arena_strdup(table->arena, cell->text && *cell->text ? cell->text : "-");
        text_defuse(text);
        cell->text = text;
    }
}

static void measure(struct table *table, bool bare)
{
    for (size_t column = 0; column < table->columns; column++) {
        size_t *width = &table->widths[column];
        size_t head = bare ? 0 : strlen(table->heads[column]);
        *width = head > *width ? head : *width;
        for (size_t row = 0; row < table->rows; row++) {
            size_t columns = text_columns(table->cells[row * table->columns + column].text);
            *width = columns > *width ? columns : *width;
        }
    }
}

static void print_cell(const struct table *table, FILE *out, size_t column, const char *text,
                       enum paint paint)
{
    fprintf(out, "%s%s%s", paint ? paint_on(out, paint) : "", text, paint ? paint_off(out) : "");
    if (column + 1 == table->columns)
        fputc('\n', out);
    else
        fprintf(out, "%*s", (int)(table->widths[column] - text_columns(text)) + GAP, "");
}

void table_print(struct table *table, FILE *out, bool bare)
{
    settle(table);
    measure(table, bare);
    for (size_t column = 0; !bare && !table->printed_heads && column < table->columns; column++)
        print_cell(table, out, column, table->heads[column], PAINT_NONE);
    table->printed_heads = true;
    for (size_t row = 0; row < table->rows; row++)
        for (size_t column = 0; column < table->columns; column++) {
            const struct cell *cell = &table->cells[row * table->columns + column];
            print_cell(table, out, column, cell->text, cell->paint);
        }
    table->rows = 0;
    fflush(out);
}
