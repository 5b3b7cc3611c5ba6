/* How two objects differ: member by member, anything else as a whole. */
#include "api/routes/impl.h"

#include <stdlib.h>

enum { CHANGES_MAX = 256 };
struct changes {
    struct arena *arena;
    struct change items[CHANGES_MAX];
    uint32_t count;
};

#define AT(member) offsetof(struct change, member)
static const struct field change_fields[] = {
    {.name = "path", .kind = FIELD_STRING, .offset = AT(path), .doc = "As in resources.cpu."},
    {.name = "from",
     .kind = FIELD_JSON,
     .flags = FIELD_NULLABLE,
     .offset = AT(from),
     .doc = "The value before; null: none."},
    {.name = "to",
     .kind = FIELD_JSON,
     .flags = FIELD_NULLABLE,
     .offset = AT(to),
     .doc = "The value after; null: none."},
};
#undef AT
const struct type change_type = {.name = "Change",
                                 .size = sizeof(struct change),
                                 TYPE_FIELDS(change_fields),
                                 .doc = "One member that differs."};

static const char *text_of(const struct changes *changes, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *copy = arena_strdup(changes->arena, text ? text : "null");
    free(text);
    return copy;
}

static void compare(struct changes *changes, const char *path, json_t *from, json_t *to)
{
    const char *name, *dot = *path ? "." : "";
    json_t *value;
    if (json_equal(from, to) || changes->count == CHANGES_MAX)
        return;
    if (!json_is_object(from) || !json_is_object(to)) {
        changes->items[changes->count++] = (struct change){
            .path = path, .from = text_of(changes, from), .to = text_of(changes, to)};
        return;
    }
    json_object_foreach(from, name, value)
    {
        compare(changes, arena_format(changes->arena, "%s%s%s", path, dot, name), value,
                json_object_get(to, name));
    }
    json_object_foreach(to, name, value)
    {
        if (!json_object_get(from, name))
            compare(changes, arena_format(changes->arena, "%s%s%s", path, dot, name), NULL, value);
    }
}

struct list changes_of(json_t *from, json_t *to, struct arena *arena)
{
    struct changes *changes = arena_alloc(arena, sizeof *changes);
    changes->arena = arena;
    compare(changes, "", from, to);
    return (struct list){.items = changes->items, .count = changes->count};
}
