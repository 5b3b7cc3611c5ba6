/* Reading the file, and its faults. */
#include "scenario.h"
#include "schema/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct scenario *scenario_create(const char *file)
{
    struct scenario *scenario = memory_alloc(sizeof *scenario);
    scenario->file = arena_strdup(&scenario->arena, file);
    scenario->positions = schema_positions_create();
    return scenario;
}

void scenario_destroy(struct scenario *scenario)
{
    if (!scenario)
        return;
    json_decref(scenario->document);
    schema_positions_destroy(scenario->positions);
    schema_faults_finish(&scenario->faults);
    arena_finish(&scenario->arena);
    free(scenario->nodes);
    free(scenario);
}

void scenario_fault(struct scenario *scenario, const char *path, const char *format, ...)
{
    char message[sizeof scenario->faults.items->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    schema_faults_add(&scenario->faults, schema_positions_find(scenario->positions, path), path,
                      "%s", message);
}

struct scenario *scenario_read_bytes(const char *file, const char *bytes, size_t length)
{
    struct scenario *scenario = scenario_create(file);
    const struct yaml_source source = {
        .positions = scenario->positions, .faults = &scenario->faults, .path = ""};
    if (length > SCENARIO_FILE_BYTES) {
        scenario_fault(scenario, "", "the file is larger than 1 MiB");
        return scenario;
    }
    scenario->document = yaml_read(bytes, length, &source);
    if (!scenario->document)
        return scenario;
    if (!json_is_object(scenario->document)) {
        scenario_fault(scenario, "", "must be a mapping with nodes, deployments and events");
        return scenario;
    }
    if (schema_read_input(&scenario_type, scenario->document, "", scenario->positions,
                          &scenario->arena, scenario, &scenario->faults))
        scenario_understand(scenario);
    return scenario;
}

static bool read_all(int fd, struct text *out)
{
    char buffer[16384];
    ssize_t got = 0;
    while (out->length <= SCENARIO_FILE_BYTES && (got = read(fd, buffer, sizeof buffer)) > 0)
        text_append(out, buffer, (size_t)got);
    return got >= 0;
}

/* Regular files only: a pipe or device could block or never end. */
bool scenario_read_file(const char *file, struct scenario **out, struct error *error)
{
    CLEANUP(text_finish) struct text bytes = {0};
    struct stat facts;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_set_errno(error, ERROR_NOT_FOUND, errno, "%s", file);
    bool fine = fstat(fd, &facts) == 0;
    if (fine && !S_ISREG(facts.st_mode)) {
        close(fd);
        return error_set(error, ERROR_VALIDATION, "%s is no file", file);
    }
    fine = fine && read_all(fd, &bytes);
    int saved = errno;
    close(fd);
    if (!fine)
        return error_set_errno(error, ERROR_IO, saved, "%s", file);
    *out = scenario_read_bytes(file, text_string(&bytes), bytes.length);
    return true;
}

static int compare_faults(const void *a, const void *b)
{
    const struct schema_fault *const *x = a, *const *y = b;
    if ((*x)->position.line != (*y)->position.line)
        return (*x)->position.line < (*y)->position.line ? -1 : 1;
    if ((*x)->position.column != (*y)->position.column)
        return (*x)->position.column < (*y)->position.column ? -1 : 1;
    return *x < *y ? -1 : 1;
}

void scenario_write_faults(const struct scenario *scenario, struct text *out)
{
    const struct schema_fault *sorted[SCHEMA_FAULTS_LIMIT];
    size_t count = scenario->faults.count;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &scenario->faults.items[i];
    if (count)
        qsort(sorted, count, sizeof *sorted, compare_faults);
    for (size_t i = 0; i < count; i++) {
        const struct schema_fault *fault = sorted[i];
        text_append_format(out, "%s:", scenario->file);
        if (fault->position.line)
            text_append_format(out, "%d:%d:", fault->position.line, fault->position.column);
        text_append_format(out, " %s%s%s\n", fault->path, *fault->path ? ": " : "", fault->message);
    }
    if (scenario->faults.dropped)
        text_append_format(out, "and %zu more\n", scenario->faults.dropped);
}
