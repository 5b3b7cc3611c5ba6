/* Structured log: one JSON object a line on stderr, or text on a terminal.
 *
 * LOG_INFO("container started", LOG_STR("container", id), LOG_INT("pid", pid));
 * writes {"at":"2026-11-24T10:00:00.000Z","level":"info","message":"container started",...}.
 * Every value is escaped: no control byte of a name, label or engine's message reaches the log.
 * A line has about LOG_LINE_BYTES at most (then it is cut with a mark) and is written by one
 * write(2), so lines of threads never mix. [any thread] */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG = 1, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_AUTO = 1, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };
enum { LOG_LINE_BYTES = 4096 };

struct log_field {
    const char *name;
    enum { LOG_VALUE_STRING = 1, LOG_VALUE_INT, LOG_VALUE_BOOL } kind;
    const char *string; /* NULL prints as null */
    int64_t integer;
};

#define LOG_STR(field_name, value)                                                                 \
    ((struct log_field){.name = (field_name), .kind = LOG_VALUE_STRING, .string = (value)})
#define LOG_INT(field_name, value)                                                                 \
    ((struct log_field){.name = (field_name), .kind = LOG_VALUE_INT, .integer = (int64_t)(value)})
#define LOG_BOOL(field_name, value)                                                                \
    ((struct log_field){.name = (field_name), .kind = LOG_VALUE_BOOL, .integer = (value)})

/* Process-wide, because a log must work before anything is constructed: level, format and
 * descriptor (default: info, auto, stderr). Call before threads start. */
void log_configure(enum log_level level, enum log_format format, int fd);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t count);

#define LOG_AT(level, text, ...)                                                                   \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                           \
            log_write((level), (text), log_fields_ + 1,                                            \
                      sizeof log_fields_ / sizeof log_fields_[0] - 1);                             \
        }                                                                                          \
    } while (0)
#define LOG_DEBUG(text, ...) LOG_AT(LOG_LEVEL_DEBUG, text, ##__VA_ARGS__)
#define LOG_INFO(text, ...) LOG_AT(LOG_LEVEL_INFO, text, ##__VA_ARGS__)
#define LOG_WARN(text, ...) LOG_AT(LOG_LEVEL_WARN, text, ##__VA_ARGS__)
#define LOG_ERROR(text, ...) LOG_AT(LOG_LEVEL_ERROR, text, ##__VA_ARGS__)

#endif
