/* docs/config.md has one row per setting, in the words of the field tables. */
#include "config/config.h"
#include "config/impl.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_row(const struct field *field, const char *path, struct text *out)
{
    CLEANUP(text_finish) struct text variable = {0};
    text_append_string(&variable, "ORCHD_");
    for (const char *p = path; *p; p++) { /* of each part of the path */
        char part[64];
        size_t length = strcspn(p, ".");
        snprintf(part, sizeof part, "%.*s", (int)length, p);
        environment_snake(part, &variable);
        p += length - 1;
        if (p[1] == '.') {
            text_append_char(&variable, '_');
            p++;
        }
    }
    const char *empty = field->kind == FIELD_JSON || field->kind == FIELD_MAP          ? "{}"
                        : field->kind == FIELD_STRINGS || field->kind == FIELD_OBJECTS ? "[]"
                        : field->kind == FIELD_POINTER                                 ? "null"
                        : field->flags & FIELD_REQUIRED                                ? "required"
                                                                                       : "none";
    text_append_format(out, "| `%s` | `%s` | `%s` | %s |\n", path, text_string(&variable),
                       field->initial ? field->initial : empty, field->doc);
}

static void write_rows(const struct type *type, const char *outer, struct text *out)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        char path[128];
        snprintf(path, sizeof path, "%s%s%s", outer, *outer ? "." : "", field->name);
        if (field->flags & FIELD_RESERVED)
            continue;
        cr_assert(field->doc && *field->doc, "%s has no description", path);
        if (field->kind != FIELD_OBJECT)
            write_row(field, path, out);
        if (field->object && field->kind != FIELD_OBJECTS) /* those are told in its own row */
            write_rows(field->object, path, out);
    }
}

Test(docs, hold_a_row_for_each_setting)
{
    CLEANUP(text_finish) struct text rows = {0}, page = {0};
    char line[1024];
    FILE *file = fopen(DOCS_FILE, "r");
    cr_assert(file);
    while (fgets(line, sizeof line, file))
        if (text_starts_with(line, "| `"))
            text_append_string(&page, line);
    fclose(file);
    write_rows(&config_type, "", &rows);
    cr_assert_str_eq(text_string(&page), text_string(&rows), "docs/config.md should hold\n%s",
                     text_string(&rows));
}
