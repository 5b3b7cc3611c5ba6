/* Errors as values: a code from one list and a sentence that grows context on its way up.
 *
 * A function that can fail returns bool (true: done) and takes a `struct error *` that the caller
 * owns, usually on its stack. The callee fills it only when it fails. NULL is accepted everywhere.
 * [any thread; no shared state] */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* name, word in REST replies, HTTP status. One list; everything else is derived from it. */
#define ERROR_CODES(X)                                                                             \
    X(ERROR_VALIDATION, "VALIDATION_FAILED", 400)                                                  \
    X(ERROR_UNAUTHORIZED, "UNAUTHORIZED", 401)                                                     \
    X(ERROR_FORBIDDEN, "FORBIDDEN", 403)                                                           \
    X(ERROR_NOT_FOUND, "NOT_FOUND", 404)                                                           \
    X(ERROR_METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", 405)                                         \
    X(ERROR_ALREADY_EXISTS, "ALREADY_EXISTS", 409)                                                 \
    X(ERROR_CONFLICT, "CONFLICT", 409)                                                             \
    X(ERROR_INVALID_STATE, "INVALID_STATE", 409)                                                   \
    X(ERROR_PRECONDITION_FAILED, "PRECONDITION_FAILED", 412)                                       \
    X(ERROR_PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", 413)                                           \
    X(ERROR_URI_TOO_LONG, "URI_TOO_LONG", 414)                                                     \
    X(ERROR_UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", 415)                                 \
    X(ERROR_RATE_LIMITED, "RATE_LIMITED", 429)                                                     \
    X(ERROR_HEADERS_TOO_LARGE, "HEADERS_TOO_LARGE", 431)                                           \
    X(ERROR_INTERNAL, "INTERNAL", 500)                                                             \
    X(ERROR_UNAVAILABLE, "UNAVAILABLE", 503)                                                       \
    /* A write whose outcome is not known: it may or may not have happened. */                     \
    X(ERROR_UNKNOWN_OUTCOME, "UNAVAILABLE", 503)                                                   \
    /* Never sent to REST clients as they are: */                                                  \
    X(ERROR_IO, "INTERNAL", 500)                                                                   \
    X(ERROR_TIMEOUT, "UNAVAILABLE", 503)                                                           \
    X(ERROR_CANCELLED, "UNAVAILABLE", 503)                                                         \
    X(ERROR_PLUGIN, "INTERNAL", 500)                                                               \
    X(ERROR_NO_MEMORY, "INTERNAL", 500)

enum error_code {
    ERROR_NONE = 0,
#define X(name, word, http) name,
    ERROR_CODES(X)
#undef X
};

enum { ERROR_MESSAGE_BYTES = 480 };

struct error {
    enum error_code code;
    char message[ERROR_MESSAGE_BYTES]; /* always terminated; cut with "..." when too long */
};

/* The REST word ("NOT_FOUND") and status (404) of a code. Static text. */
const char *error_code_word(enum error_code code);
int error_code_http(enum error_code code);

/* Fill `error` and return false, so that `return error_set(...)` reads well. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool error_vset(struct error *error, enum error_code code, const char *format, va_list arguments);
/* As error_set, with ": strerror(errno_value)" appended. */
bool error_set_errno(struct error *error, enum error_code code, int errno_value, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));
/* Put context in front: "context: what it said before". Keeps the code. Returns false. */
bool error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
