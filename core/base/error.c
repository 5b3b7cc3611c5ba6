#include "base/error.h"

#include <stdio.h>
#include <string.h>

const char *error_code_word(enum error_code code)
{
    switch (code) {
    case ERROR_NONE:
        return "OK";
#define X(name, word, http)                                                                        \
    case name:                                                                                     \
        return word;
        ERROR_CODES(X)
#undef X
    }
    return "INTERNAL";
}

int error_code_http(enum error_code code)
{
    switch (code) {
    case ERROR_NONE:
        return 200;
#define X(name, word, http)                                                                        \
    case name:                                                                                     \
        return http;
        ERROR_CODES(X)
#undef X
    }
    return 500;
}

static void mark_cut(struct error *error, int wanted)
{
    if (wanted >= ERROR_MESSAGE_BYTES)
        memcpy(error->message + ERROR_MESSAGE_BYTES - 4, "...", 4);
}

bool error_vset(struct error *error, enum error_code code, const char *format, va_list arguments)
{
    if (!error)
        return false;
    error->code = code;
    mark_cut(error, vsnprintf(error->message, sizeof error->message, format, arguments));
    return false;
}

bool error_set(struct error *error, enum error_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_vset(error, code, format, arguments);
    va_end(arguments);
    return false;
}

bool error_set_errno(struct error *error, enum error_code code, int errno_value, const char *format,
                     ...)
{
    if (!error)
        return false;
    va_list arguments;
    va_start(arguments, format);
    error_vset(error, code, format, arguments);
    va_end(arguments);
    size_t length = strlen(error->message);
    char reason[128];
    mark_cut(error, (int)length + snprintf(error->message + length, sizeof error->message - length,
                                           ": %s", strerror_r(errno_value, reason, sizeof reason)));
    return false;
}

bool error_wrap(struct error *error, const char *format, ...)
{
    if (!error)
        return false;
    char inner[ERROR_MESSAGE_BYTES];
    memcpy(inner, error->message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    error_vset(error, error->code, format, arguments);
    va_end(arguments);
    size_t length = strlen(error->message);
    mark_cut(error, (int)length + snprintf(error->message + length, sizeof error->message - length,
                                           ": %s", inner));
    return false;
}
