#include "difference.h"

#include "kinds.h"
#include "output.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

/* As the server would show it: read by the table and written again, so that "0.25" is "250m" and
 * what was left out is there. The caller owns it. */
static json_t *normalised(const struct type *type, const json_t *body)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    CLEANUP(text_finish) struct text text = {0};
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    void *value = arena_alloc(&arena, type->size);
    schema_read_input(type, body, "", NULL, &arena, value, &faults);
    schema_write(type, value, SCHEMA_DECLARED, &text);
    return json_loadb(text.data, text.length, 0, NULL);
}

/* Left out, these keep or take what only the server knows. */
static void keep_unsaid(const json_t *body, json_t *wanted, const json_t *present)
{
    static const struct {
        const char *outer, *name;
    } kept[] = {{NULL, "replicas"}, {NULL, "balancer"}, {"placement", "scheduler"}};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *outer = kept[i].outer, *name = kept[i].name;
        const json_t *from = outer ? json_object_get(present, outer) : present;
        const json_t *said = outer ? json_object_get(body, outer) : body;
        json_t *to = outer ? json_object_get(wanted, outer) : wanted;
        if (!json_object_get(said, name) && json_object_get(from, name))
            json_object_set(to, name, json_object_get(from, name));
    }
}

static void print_side(char sign, enum paint paint, const char *path, const json_t *value)
{
    char *dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    printf("%s  %c %s: ", paint_on(stdout, paint), sign, path);
    print_foreign(stdout, dump, strlen(dump), false);
    printf("%s\n", paint_off(stdout));
    free(dump);
}

static bool print_members(struct cli *cli, const char *path, const json_t *from, const json_t *to);

static bool print_value(struct cli *cli, const char *path, const json_t *from, const json_t *to)
{
    if (from && to && json_equal(from, to))
        return false;
    if (json_is_object(from) && json_is_object(to))
        return print_members(cli, path, from, to);
    if (from)
        print_side('-', PAINT_RED, path, from);
    if (to)
        print_side('+', PAINT_GREEN, path, to);
    return true;
}

static bool print_members(struct cli *cli, const char *path, const json_t *from, const json_t *to)
{
    const char *name;
    json_t *value;
    bool differs = false;
    json_object_foreach((json_t *)from, name, value)
    {
        const char *inner = arena_format(&cli->arena, "%s%s%s", path, *path ? "." : "", name);
        differs |= print_value(cli, inner, value, json_object_get(to, name));
    }
    json_object_foreach((json_t *)to, name, value)
    {
        const char *inner = arena_format(&cli->arena, "%s%s%s", path, *path ? "." : "", name);
        if (!json_object_get(from, name))
            differs |= print_value(cli, inner, NULL, value);
    }
    return differs;
}

bool difference_print(struct cli *cli, const struct manifest *manifest, const json_t *present)
{
    const struct type *type = manifest_type(manifest->kind);
    json_t *to = normalised(type, manifest->body);
    json_t *from = present ? normalised(type, present) : NULL;
    bool differs = true;
    if (!from) {
        printf("%s/%s would be created\n", manifest->kind->singular, manifest->name);
    } else {
        keep_unsaid(manifest->body, to, from);
        differs = !json_equal(from, to);
        printf("%s/%s %s\n", manifest->kind->singular, manifest->name,
               differs ? "would change:" : "would not change");
        if (differs)
            print_members(cli, "", from, to);
    }
    json_decref(to);
    json_decref(from);
    return differs;
}
