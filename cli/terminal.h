/* What a terminal is told: colours where it wants them, text of others made harmless, lines that
 * are drawn again. Nothing here writes to a file or pipe what it would not write as plain text. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "base/text.h"

#include <stdio.h>

enum paint {
    PAINT_NONE = 0,
    PAINT_RED,
    PAINT_GREEN,
    PAINT_YELLOW,
    PAINT_BLUE,
    PAINT_DIM,
    PAINT_BOLD
};
/* "" where that stream is no terminal, TERM is dumb or NO_COLOR is set. */
const char *paint_on(FILE *stream, enum paint paint);
const char *paint_off(FILE *stream);
/* One of a few colours that tell sources apart, by number. */
const char *paint_source(FILE *stream, size_t number);
bool is_terminal(FILE *stream);
int terminal_width(void); /* of stdout, else stderr; 80 where neither is a terminal */

/* Bytes from a server or container. On a terminal control characters become '?' (newlines and tabs
 * stay with `lines`); elsewhere they go as they are. */
void print_foreign(FILE *stream, const char *bytes, size_t length, bool lines);

/* Lines at the bottom of stderr that are drawn again and again; without a terminal nothing. */
void progress_draw(const char *text, size_t lines);
void progress_clear(void); /* before anything else is written */

#endif
