/* Overrides from the environment: ORCHD_<PATH>, the path in UPPER_SNAKE.
 *
 * A variable holds what would stand in the file (a YAML scalar, {...} or [...]), but settings that
 * are text take it as it is, lists may be written a,b and maps k=v,k2=v2. Below a plugin's `config`
 * the names are not known here: a key of the file that reads the same is meant, else camelCase. */
#include "config/impl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "ORCHD_";
enum { PREFIX_LENGTH = sizeof prefix - 1, NAMES_LIMIT = 128 };

struct target {
    struct text path;
    const struct field *field; /* NULL: a member of a plugin's settings */
};

void environment_snake(const char *name, struct text *out)
{
    for (const char *p = name; *p; p++) {
        if (isupper((unsigned char)*p))
            text_append_char(out, '_');
        text_append_char(out, *p == '-' || *p == '.' ? '_' : (char)toupper((unsigned char)*p));
    }
}

/* What is left of `rest` behind the name: "" at its end, NULL when it is another name. */
static const char *match(const char *rest, const char *name)
{
    CLEANUP(text_finish) struct text snake = {0};
    environment_snake(name, &snake);
    if (strncmp(rest, text_string(&snake), snake.length) != 0)
        return NULL;
    rest += snake.length;
    return !*rest || (*rest == '_' && rest[1]) ? rest : NULL;
}

static void push(struct text *path, const char *name)
{
    text_append_format(path, "%s%s", path->length ? "." : "", name);
}

static void push_camel(struct text *path, const char *rest)
{
    text_append_char(path, '.');
    for (; *rest; rest++) {
        bool upper = *rest == '_' && rest[1];
        rest += upper;
        text_append_char(
            path, (char)(upper ? toupper((unsigned char)*rest) : tolower((unsigned char)*rest)));
    }
}

/* A member below a plugin's settings. */
static void resolve_member(const json_t *object, const char *rest, struct text *path)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        const char *behind = match(rest, key);
        if (!behind || (*behind && !json_is_object(value)))
            continue;
        push(path, key);
        if (*behind)
            resolve_member(value, behind + 1, path);
        return;
    }
    push_camel(path, rest);
}

static bool resolve(const struct type *type, const json_t *object, const char *rest,
                    struct target *target)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        const char *behind = match(rest, field->name);
        const json_t *value = json_object_get(object, field->name);
        bool nested = field->kind == FIELD_OBJECT || field->kind == FIELD_POINTER;
        size_t before = target->path.length;
        if (!behind || (field->flags & FIELD_RESERVED))
            continue;
        push(&target->path, field->name);
        if (!*behind && field->kind != FIELD_OBJECT) {
            target->field = field;
            return true;
        }
        if (*behind && nested && resolve(field->object, value, behind + 1, target))
            return true;
        if (*behind && field->kind == FIELD_JSON) {
            resolve_member(value, behind + 1, &target->path);
            return true;
        }
        target->path.length = before;
        if (target->path.data)
            target->path.data[before] = 0;
    }
    return false;
}

static void collect_names(const struct type *type, const char *before, struct arena *arena,
                          const char **names, size_t *count)
{
    for (size_t i = 0; i < type->field_count && *count < NAMES_LIMIT; i++) {
        const struct field *field = &type->fields[i];
        CLEANUP(text_finish) struct text snake = {0};
        if (field->flags & FIELD_RESERVED)
            continue;
        environment_snake(field->name, &snake);
        const char *name = arena_format(arena, "%s%s", before, text_string(&snake));
        if (field->kind != FIELD_OBJECT)
            names[(*count)++] = name;
        if (field->kind == FIELD_OBJECT || field->kind == FIELD_POINTER)
            collect_names(field->object, arena_format(arena, "%s_", name), arena, names, count);
    }
}

static void refuse_unknown(struct config_origins *origins, const char *name, int line)
{
    struct arena arena = {0};
    const char *names[NAMES_LIMIT];
    size_t count = 0;
    collect_names(&config_type, prefix, &arena, names, &count);
    const char *near = text_nearest(name, names, count);
    schema_faults_add(&origins->faults, (struct schema_position){.line = line}, "",
                      "no setting has that name%s%s%s", near ? "; did you mean " : "",
                      near ? near : "", near ? "?" : "");
    arena_finish(&arena);
}

static json_t *read_list(const char *value)
{
    json_t *list = json_array();
    char *copy = memory_strdup(value), *rest = copy, *word;
    while ((word = strsep(&rest, ",")))
        if (*word)
            json_array_append_new(list, json_string(word));
    free(copy);
    return list;
}

static json_t *read_map(const char *value)
{
    json_t *map = json_object();
    char *copy = memory_strdup(value), *rest = copy, *word;
    while ((word = strsep(&rest, ","))) {
        char *equal = strchr(word, '=');
        if (equal)
            *equal = 0;
        if (*word)
            json_object_set_new(map, word, json_string(equal ? equal + 1 : ""));
    }
    free(copy);
    return map;
}

static json_t *read_value(const struct target *target, const char *value,
                          const struct yaml_source *source)
{
    switch (target->field ? target->field->kind : FIELD_JSON) {
    case FIELD_STRING:
    case FIELD_ENUM:
        return json_string(value);
    case FIELD_STRINGS:
        if (*value != '[')
            return read_list(value);
        break;
    case FIELD_MAP:
        if (*value != '{')
            return read_map(value);
        break;
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_DURATION:
    case FIELD_CPU:
    case FIELD_MEMORY:
    case FIELD_TIME:
    case FIELD_AMOUNT:
    case FIELD_PORT_REF:
    case FIELD_OBJECT:
    case FIELD_POINTER:
    case FIELD_OBJECTS:
    case FIELD_JSON:
        break;
    }
    return yaml_read(value, strlen(value), source);
}

/* Puts a value at a dotted path, making objects on the way. */
static void put(json_t *object, const char *path, json_t *take_value)
{
    const char *dot = strchr(path, '.');
    if (!dot) {
        json_object_set_new(object, path, take_value);
        return;
    }
    char *name = memory_strdup(path);
    name[dot - path] = 0;
    json_t *inner = json_object_get(object, name);
    if (!json_is_object(inner)) {
        inner = json_object();
        json_object_set_new(object, name, inner);
    }
    put(inner, dot + 1, take_value);
    free(name);
}

/* The objects around a value that only a variable gives stand where the variable does. */
static void place_outer(struct schema_positions *positions, const char *path,
                        struct schema_position position)
{
    char *outer = memory_strdup(path), *dot;
    while ((dot = strrchr(outer, '.'))) {
        *dot = 0;
        if (!schema_positions_at(positions, outer, NULL, NULL))
            schema_positions_add(positions, outer, position, position);
    }
    free(outer);
}

static void apply(struct config_origins *origins, const char *name, const char *value, int line)
{
    struct target target = {0};
    struct schema_position position = {.line = line};
    if (!resolve(&config_type, origins->document, name + PREFIX_LENGTH, &target)) {
        refuse_unknown(origins, name, line);
    } else if (!text_is_utf8(value, strlen(value))) {
        schema_faults_add(&origins->faults, position, text_string(&target.path), "is not UTF-8");
    } else {
        const struct yaml_source source = {.positions = origins->positions,
                                           .faults = &origins->faults,
                                           .path = text_string(&target.path),
                                           .fixed_line = line};
        json_t *read = read_value(&target, value, &source);
        if (read) {
            schema_positions_add(origins->positions, source.path, position, position);
            place_outer(origins->positions, source.path, position);
            put(origins->document, source.path, read);
        }
    }
    text_finish(&target.path);
}

static int compare_variables(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* By name, so that a whole object comes before its members and the order is always the same. */
void environment_apply(struct config *config, const char *const *environment)
{
    struct config_origins *origins = config->origins;
    size_t count = 0;
    for (const char *const *p = environment; p && *p; p++)
        count += text_starts_with(*p, prefix);
    origins->variables = arena_alloc(&origins->arena, (count + 1) * sizeof *origins->variables);
    for (const char *const *p = environment; p && *p; p++)
        if (text_starts_with(*p, prefix))
            origins->variables[origins->variable_count++] = arena_strdup(&origins->arena, *p);
    if (count)
        qsort(origins->variables, count, sizeof *origins->variables, compare_variables);
    for (size_t i = 0; i < count; i++) {
        char *name = (char *)(uintptr_t)origins->variables[i], *equal = strchr(name, '=');
        if (!equal)
            continue; /* environ always has one; a hand-made list may not */
        *equal = 0;
        apply(origins, name, equal + 1, -(int)i - 1);
    }
}
