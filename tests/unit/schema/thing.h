/* A type that uses every kind of field. */
#ifndef TESTS_UNIT_SCHEMA_THING_H
#define TESTS_UNIT_SCHEMA_THING_H

#include "schema/schema.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct part {
    const char *name;
    int64_t port;
    struct list words;
};
struct base {
    const char *note;
    int64_t level;
};
struct limits {
    int64_t cpu_millis, memory_bytes;
};
struct thing {
    struct base base;
    const char *name, *nick;
    int64_t count, maybe, cpu, memory, at_ms, seen;
    bool on, open;
    uint64_t wait_ns;
    uint8_t mode;
    struct amount surge;
    struct port_ref port;
    struct limits limits;
    const struct part *extra;
    struct list parts, tags, env, labels;
    const char *raw, *secret, *inner;
};

static bool thing_whole(const void *value, char *message, size_t bytes)
{
    const struct thing *thing = value;
    if (thing->count != 13)
        return true;
    snprintf(message, bytes, "is unlucky");
    return false;
}

#define AT(struct_name, member_name) .offset = offsetof(struct struct_name, member_name)
static const char *const thing_modes[] = {"slow", "fast", "faster", NULL};
static const struct field part_fields[] = {
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     AT(part, name),
     .check = schema_check_name,
     .min = 1,
     .max = 63},
    {.name = "port", .kind = FIELD_INT, AT(part, port), .min = 1, .max = 65535, .initial = "80"},
    {.name = "words", .kind = FIELD_STRINGS, AT(part, words)}};
static const struct type part_type = {
    .name = "Part", .size = sizeof(struct part), TYPE_FIELDS(part_fields), .doc = "A part."};
static const struct field base_fields[] = {
    {.name = "note", .kind = FIELD_STRING, AT(base, note), .max = 16},
    {.name = "level", .kind = FIELD_INT, AT(base, level), .initial = "3"}};
static const struct type base_type = {
    .name = "Base", .size = sizeof(struct base), TYPE_FIELDS(base_fields)};
static const struct field limits_fields[] = {
    {.name = "cpuLimit", .kind = FIELD_CPU, .flags = FIELD_NULLABLE, AT(limits, cpu_millis)},
    {.name = "memoryLimit",
     .kind = FIELD_MEMORY,
     .flags = FIELD_NULLABLE | FIELD_ALLOW_NONE,
     AT(limits, memory_bytes)}};
static const struct type limits_type = {
    .name = "Limits", .size = sizeof(struct limits), TYPE_FIELDS(limits_fields), .doc = "Caps."};
static const struct field thing_fields[] = {
    {.name = "base",
     .kind = FIELD_OBJECT,
     .flags = FIELD_INLINE,
     AT(thing, base),
     .object = &base_type},
    {.name = "name",
     .kind = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     AT(thing, name),
     .check = schema_check_name},
    {.name = "nick", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, AT(thing, nick), .max = 8},
    {.name = "count", .kind = FIELD_INT, AT(thing, count), .min = 0, .max = 100, .initial = "1"},
    {.name = "maybe", .kind = FIELD_INT, .flags = FIELD_NULLABLE, AT(thing, maybe)},
    {.name = "cpu", .kind = FIELD_CPU, AT(thing, cpu), .min = 0, .max = 64000},
    {.name = "memory", .kind = FIELD_MEMORY, AT(thing, memory), .min = 0, .max = INT64_C(1) << 40},
    {.name = "at", .kind = FIELD_TIME, .flags = FIELD_READ_ONLY, AT(thing, at_ms)},
    {.name = "seen", .kind = FIELD_INT, .flags = FIELD_SOFT, AT(thing, seen)},
    {.name = "on", .kind = FIELD_BOOL, AT(thing, on), .initial = "true"},
    {.name = "open", .kind = FIELD_BOOL, AT(thing, open)},
    {.name = "wait",
     .kind = FIELD_DURATION,
     AT(thing, wait_ns),
     .initial = "\"10s\"",
     .min = 0,
     .max = INT64_C(3600000000000)},
    {.name = "mode",
     .kind = FIELD_ENUM,
     AT(thing, mode),
     .words = thing_modes,
     .initial = "\"slow\""},
    {.name = "surge", .kind = FIELD_AMOUNT, AT(thing, surge), .initial = "\"25%\""},
    {.name = "port", .kind = FIELD_PORT_REF, AT(thing, port)},
    {.name = "limits",
     .kind = FIELD_OBJECT,
     AT(thing, limits),
     .object = &limits_type,
     .doc = "What it may take."},
    {.name = "extra",
     .kind = FIELD_POINTER,
     .flags = FIELD_NULLABLE,
     AT(thing, extra),
     .object = &part_type},
    {.name = "parts", .kind = FIELD_OBJECTS, AT(thing, parts), .object = &part_type, .max = 3},
    {.name = "tags", .kind = FIELD_STRINGS, AT(thing, tags)},
    {.name = "env", .kind = FIELD_MAP, AT(thing, env), .check = schema_check_env_map},
    {.name = "labels", .kind = FIELD_MAP, AT(thing, labels), .check = schema_check_label_map},
    {.name = "raw", .kind = FIELD_JSON, AT(thing, raw)},
    {.name = "secret", .kind = FIELD_STRING, .flags = FIELD_SECRET, AT(thing, secret)},
    {.name = "inner", .kind = FIELD_STRING, .flags = FIELD_INTERNAL, AT(thing, inner)},
    {.name = "mounts", .kind = FIELD_JSON, .flags = FIELD_RESERVED},
    {.name = "status", .kind = FIELD_JSON, .flags = FIELD_RESERVED | FIELD_READ_ONLY}};
static const struct type thing_type = {.name = "Thing",
                                       .size = sizeof(struct thing),
                                       TYPE_FIELDS(thing_fields),
                                       .check = thing_whole,
                                       .doc = "A thing."};

/* Every member set to something that is not its default. */
#define THING_FULL                                                                                 \
    "{\"note\":\"n\",\"level\":-5,\"name\":\"a-1\",\"nick\":\"b\",\"count\":7,\"maybe\":0,"        \
    "\"cpu\":\"250m\",\"memory\":\"64Mi\",\"on\":false,\"open\":true,\"wait\":\"1m30s\","          \
    "\"mode\":\"faster\",\"surge\":2,\"port\":\"http\",\"limits\":{\"cpuLimit\":\"4\","            \
    "\"memoryLimit\":\"none\"},\"extra\":{\"name\":\"x\",\"port\":1,\"words\":[\"\"]},"            \
    "\"parts\":[{\"name\":\"y\",\"port\":80,\"words\":[]},{\"name\":\"z\",\"port\":65535,"         \
    "\"words\":[\"p\",\"q\"]}],\"tags\":[\"\\u00e4\",\"\\ud83d\\ude00\"],\"env\":{\"A\":\"1\","    \
    "\"b c\":\"=\"},\"labels\":{\"example.org/a\":\"B_1\",\"z\":\"\"},\"raw\":{\"k\":[1,null]},"   \
    "\"secret\":\"s\"}"

static inline bool thing_read(const char *json, struct arena *arena, struct thing *out,
                              struct schema_faults *faults)
{
    json_error_t error;
    json_t *value = json_loads(json, JSON_DECODE_ANY, &error);
    cr_assert(value, "%s: %s", json, error.text);
    *out = (struct thing){0};
    bool fine = schema_read_input(&thing_type, value, "", NULL, arena, out, faults);
    json_decref(value);
    return fine;
}

#endif
