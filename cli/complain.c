#include "cli.h"
#include "terminal.h"

#include <stdio.h>

int complain(int status, const char *next, const char *format, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    text_defuse(message);
    progress_clear();
    fprintf(stderr, "orchctl: %s%s%s\n", paint_on(stderr, PAINT_RED), message, paint_off(stderr));
    if (next) {
        snprintf(message, sizeof message, "%s", next);
        text_defuse(message);
        fprintf(stderr, "  next: %s\n", message);
    }
    return status;
}

void remark(const char *format, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    text_defuse(message);
    progress_clear();
    fprintf(stderr, "%s\n", message);
}
