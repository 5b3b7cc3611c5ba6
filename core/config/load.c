#include "config/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct config *config_create(const char *name)
{
    struct config *config = memory_alloc(sizeof *config);
    config->origins = memory_alloc(sizeof *config->origins);
    config->origins->file = name ? memory_strdup(name) : NULL;
    config->origins->positions = schema_positions_create();
    return config;
}

void config_destroy(struct config *config)
{
    if (!config)
        return;
    struct config_origins *origins = config->origins;
    json_decref(origins->document);
    schema_positions_destroy(origins->positions);
    schema_faults_finish(&origins->faults);
    arena_finish(&origins->arena);
    free(origins->file);
    free(origins);
    free(config);
}

static void file_fault(struct config *config, int line, int column, const char *message)
{
    schema_faults_add(&config->origins->faults,
                      (struct schema_position){.line = line, .column = column}, "", "%s", message);
}

static void read_document(struct config *config, const char *bytes, size_t length)
{
    struct config_origins *origins = config->origins;
    const struct yaml_source source = {
        .positions = origins->positions, .faults = &origins->faults, .path = ""};
    if (length > CONFIG_FILE_BYTES)
        file_fault(config, 1, 1, "the file is larger than 1 MiB");
    else
        origins->document = yaml_read(bytes, length, &source);
    if (origins->document && !json_is_object(origins->document) &&
        !json_is_null(origins->document)) {
        struct schema_position at = schema_positions_find(origins->positions, "");
        file_fault(config, at.line, at.column, "must be a mapping of settings");
        json_decref(origins->document);
        origins->document = NULL;
    }
    origins->unread = !origins->document;
    if (!json_is_object(origins->document)) {
        json_decref(origins->document);
        origins->document = json_object();
    }
}

/* `api:` with nothing behind it is the empty mapping, not a wrong value. */
static void drop_empty(const struct type *type, json_t *object)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        json_t *value = json_object_get(object, field->name);
        bool empties = field->kind == FIELD_OBJECT || field->kind == FIELD_JSON ||
                       field->kind == FIELD_MAP || field->kind == FIELD_STRINGS;
        if (json_is_null(value) && empties)
            json_object_del(object, field->name);
        else if (json_is_object(value) && field->object)
            drop_empty(field->object, value);
    }
}

static void finish_load(struct config *config, const char *const *environment)
{
    struct config_origins *origins = config->origins;
    if (origins->unread) {
        schema_defaults(&config_type, &origins->arena, config);
        return;
    }
    environment_apply(config, environment);
    drop_empty(&config_type, origins->document);
    schema_read_input(&config_type, origins->document, "", origins->positions, &origins->arena,
                      config, &origins->faults);
    config_check_rules(config);
}

struct config *config_load_bytes(const char *name, const char *bytes, size_t length,
                                 const char *const *environment)
{
    struct config *config = config_create(name);
    read_document(config, bytes, length);
    finish_load(config, environment);
    return config;
}

/* Regular files only: a pipe or device could block or never end. False with errno. */
static bool read_file(const char *path, struct text *out)
{
    struct stat status;
    char buffer[16384];
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool fine = fstat(fd, &status) == 0;
    if (fine && !S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        fine = false;
    }
    while (fine && out->length <= CONFIG_FILE_BYTES && (got = read(fd, buffer, sizeof buffer)) > 0)
        text_append(out, buffer, (size_t)got);
    int saved = got < 0 ? errno : fine ? 0 : errno;
    close(fd);
    errno = saved;
    return !saved;
}

struct config *config_load(const char *path, const char *const *environment)
{
    CLEANUP(text_finish) struct text bytes = {0};
    const char *file = path ? path : CONFIG_DEFAULT_FILE;
    if (read_file(file, &bytes)) {
        struct config *read = config_create(file);
        read->origins->on_disk = true;
        read_document(read, text_string(&bytes), bytes.length);
        finish_load(read, environment);
        return read;
    }
    if (!path && errno == ENOENT)
        return config_load_bytes(NULL, "", 0, environment);
    char message[160];
    snprintf(message, sizeof message, "the file can't be read: %s",
             errno == EINVAL ? "it is no regular file" : strerror(errno));
    struct config *config = config_create(file);
    file_fault(config, 0, 0, message);
    config->origins->document = json_object();
    config->origins->unread = true;
    finish_load(config, environment);
    return config;
}

size_t config_fault_count(const struct config *config)
{
    return config->origins->faults.count + config->origins->faults.dropped;
}

void config_add_fault(struct config *config, const char *path, const char *format, ...)
{
    char message[sizeof((struct schema_fault *)NULL)->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    schema_faults_add(&config->origins->faults,
                      schema_positions_find(config->origins->positions, path), path, "%s", message);
}

/* File first, by place; then variables; what has no place comes first of all. */
static int compare_faults(const void *a, const void *b)
{
    const struct schema_fault *first = *(const struct schema_fault *const *)a;
    const struct schema_fault *second = *(const struct schema_fault *const *)b;
    if ((first->position.line < 0) != (second->position.line < 0))
        return first->position.line < 0 ? 1 : -1;
    if (first->position.line != second->position.line)
        return abs(first->position.line) < abs(second->position.line) ? -1 : 1;
    if (first->position.column != second->position.column)
        return first->position.column < second->position.column ? -1 : 1;
    return first < second ? -1 : 1;
}

static void write_fault(const struct config_origins *origins, const struct schema_fault *fault,
                        struct text *out)
{
    int line = fault->position.line;
    if (line < 0)
        text_append_format(out, "environment %s: ", origins->variables[-line - 1]);
    else if (line > 0)
        text_append_format(out, "%s:%d:%d: ", origins->file ? origins->file : "", line,
                           fault->position.column);
    else
        text_append_format(out, "%s: ", origins->file ? origins->file : "default");
    text_append_format(out, "%s%s%s\n", fault->path, *fault->path ? ": " : "", fault->message);
}

void config_write_faults(const struct config *config, struct text *out)
{
    const struct config_origins *origins = config->origins;
    const struct schema_fault *sorted[SCHEMA_FAULTS_LIMIT];
    for (size_t i = 0; i < origins->faults.count; i++)
        sorted[i] = &origins->faults.items[i];
    if (origins->faults.count)
        qsort(sorted, origins->faults.count, sizeof sorted[0], compare_faults);
    for (size_t i = 0; i < origins->faults.count; i++)
        write_fault(origins, sorted[i], out);
    if (origins->faults.dropped)
        text_append_format(out, "and %zu more\n", origins->faults.dropped);
}

const json_t *config_plugin_settings(const struct config *config, const char *path)
{
    const json_t *value = config->origins->document;
    char *copy = memory_strdup(path), *rest = copy, *name;
    while (value && (name = strsep(&rest, ".")))
        value = json_object_get(value, name);
    free(copy);
    return value;
}
