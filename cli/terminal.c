#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static size_t drawn_lines; /* of the progress at the bottom of stderr */

bool is_terminal(FILE *stream)
{
    static signed char known[3]; /* 0 not asked, 1 yes, -1 no */
    int number = fileno(stream);
    if (number < 0 || number > 2)
        return false;
    if (!known[number])
        known[number] = isatty(number) ? 1 : -1;
    return known[number] > 0;
}

static bool wants_colour(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return is_terminal(stream) && !(no_color && *no_color) && !text_equal(term, "dumb");
}

const char *paint_on(FILE *stream, enum paint paint)
{
    static const char *const codes[] = {"",         "\033[31m", "\033[32m", "\033[33m",
                                        "\033[34m", "\033[2m",  "\033[1m"};
    return wants_colour(stream) ? codes[paint] : "";
}

const char *paint_off(FILE *stream)
{
    return wants_colour(stream) ? "\033[0m" : "";
}

const char *paint_source(FILE *stream, size_t number)
{
    static const char *const codes[] = {"\033[36m", "\033[33m", "\033[32m", "\033[35m",
                                        "\033[34m", "\033[96m", "\033[93m", "\033[95m"};
    return wants_colour(stream) ? codes[number % (sizeof codes / sizeof codes[0])] : "";
}

int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 80;
}

/* text_defuse looks at a whole string; newlines and tabs are what it is cut at. */
static void print_defused(FILE *stream, char *text, bool lines)
{
    while (*text) {
        size_t length = lines ? strcspn(text, "\n\t") : strlen(text);
        char kept = text[length];
        text[length] = 0;
        text_defuse(text);
        fputs(text, stream);
        if (!kept)
            return;
        fputc(kept, stream);
        text += length + 1;
    }
}

void print_foreign(FILE *stream, const char *bytes, size_t length, bool lines)
{
    if (!is_terminal(stream)) {
        fwrite(bytes, 1, length, stream);
        return;
    }
    char *copy = memory_alloc(length + 1);
    memcpy(copy, bytes, length);
    for (size_t i = 0; i < length; i++)
        if (!copy[i])
            copy[i] = 1; /* no end of the string, and '?' like the others */
    print_defused(stream, copy, lines);
    free(copy);
}

void progress_clear(void)
{
    for (; drawn_lines; drawn_lines--)
        fputs("\033[A\033[2K", stderr);
    fputs(is_terminal(stderr) ? "\r" : "", stderr);
}

void progress_draw(const char *text, size_t lines)
{
    if (!is_terminal(stderr))
        return;
    progress_clear();
    fputs(text, stderr);
    drawn_lines = lines;
    fflush(stderr);
}
