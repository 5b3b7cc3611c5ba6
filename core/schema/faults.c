#include "schema/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void schema_faults_finish(struct schema_faults *faults)
{
    free(faults->items);
    *faults = (struct schema_faults){0};
}

void schema_faults_add(struct schema_faults *faults, struct schema_position position,
                       const char *path, const char *format, ...)
{
    if (faults->count == SCHEMA_FAULTS_LIMIT) {
        faults->dropped++;
        return;
    }
    faults->items = memory_resize(faults->items, (faults->count + 1) * sizeof *faults->items);
    struct schema_fault *fault = &faults->items[faults->count++];
    fault->position = position;
    snprintf(fault->path, sizeof fault->path, "%s", path);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
    text_defuse(fault->path);
    text_defuse(fault->message);
}

bool schema_faults_to_error(const struct schema_faults *faults, struct error *error)
{
    const struct schema_fault *first = faults->items;
    size_t more = faults->count + faults->dropped - 1;
    error_set(error, ERROR_VALIDATION, "%s%s%s", first->path, *first->path ? ": " : "",
              first->message);
    if (more && error) {
        size_t length = strlen(error->message);
        snprintf(error->message + length, sizeof error->message - length, " (and %zu more)", more);
    }
    return false;
}

void schema_faults_add_error(struct schema_faults *faults, const struct error *error)
{
    static const char words[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.[]_-";
    char path[sizeof faults->items->path] = "";
    const char *rest = error->message;
    size_t length = strspn(rest, words);
    if (length && length < sizeof path && strncmp(rest + length, ": ", 2) == 0) {
        memcpy(path, rest, length);
        path[length] = 0;
        rest += length + 2;
    }
    schema_faults_add(faults, (struct schema_position){0}, path, "%s", rest);
}
