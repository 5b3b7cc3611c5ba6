#include "base/log.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The one process-wide setting of this folder; written before threads start. */
static struct {
    enum log_level level;
    bool json;
    int fd;
} settings = {.level = LOG_LEVEL_INFO, .json = true, .fd = STDERR_FILENO};

void log_configure(enum log_level level, enum log_format format, int fd)
{
    settings.level = level;
    settings.fd = fd;
    settings.json = format == LOG_FORMAT_JSON || (format == LOG_FORMAT_AUTO && !isatty(fd));
}

bool log_enabled(enum log_level level)
{
    return level >= settings.level;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG:
        return "debug";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_ERROR:
        return "error";
    }
    return "info";
}

static void append_value(struct text *line, const struct log_field *field)
{
    if (field->kind == LOG_VALUE_INT)
        text_append_int(line, field->integer);
    else if (field->kind == LOG_VALUE_BOOL)
        text_append_string(line, field->integer ? "true" : "false");
    else if (!field->string)
        text_append_string(line, "null");
    else
        text_append_json(line, field->string, strnlen(field->string, LOG_LINE_BYTES / 2));
}

static void append_line(struct text *line, enum log_level level, const char *message,
                        const struct log_field *fields, size_t count)
{
    char at[CLOCK_TEXT_BYTES];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_format_wall_ms(now.tv_sec * 1000 + now.tv_nsec / 1000000, at);
    if (settings.json) {
        text_append_format(line, "{\"at\":\"%s\",\"level\":\"%s\",\"message\":", at,
                           level_name(level));
        text_append_json(line, message, strnlen(message, LOG_LINE_BYTES / 2));
    } else {
        text_append_format(line, "%s %-5s ", at, level_name(level));
        text_append_json(line, message, strnlen(message, LOG_LINE_BYTES / 2));
    }
    for (size_t i = 0; i < count; i++) {
        if (line->length > LOG_LINE_BYTES - 64) {
            text_append_string(line, settings.json ? ",\"cut\":true" : " cut=true");
            break;
        }
        text_append_format(line, settings.json ? ",\"%s\":" : " %s=", fields[i].name);
        append_value(line, &fields[i]);
    }
    text_append_string(line, settings.json ? "}\n" : "\n");
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t count)
{
    CLEANUP(text_finish) struct text line = {0};
    append_line(&line, level, message, fields, count);
    ssize_t written = write(settings.fd, line.data, line.length);
    (void)written; /* a log that can't be written has nowhere to complain */
}
