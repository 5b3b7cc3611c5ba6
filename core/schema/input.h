/* The strict reader's state and its parts. Private to this folder. */
#ifndef SCHEMA_INPUT_H
#define SCHEMA_INPUT_H

#include "schema/fields.h"

struct input {
    const struct schema_positions *positions;
    struct arena *arena;
    struct schema_faults *faults;
    char path[192];
};

#define FAULT(input, ...)                                                                          \
    schema_faults_add((input)->faults, schema_positions_find((input)->positions, (input)->path),   \
                      (input)->path, __VA_ARGS__)
/* For members that should not be there at all. */
#define KEY_FAULT(input, ...)                                                                      \
    schema_faults_add((input)->faults,                                                             \
                      schema_positions_find_key((input)->positions, (input)->path), (input)->path, \
                      __VA_ARGS__)

/* "must be WHAT, not a list". */
void input_wanted(struct input *input, const json_t *value, const char *what);
/* A value that has no parts: all kinds but objects, lists, maps and FIELD_JSON. */
void input_scalar(struct input *input, const struct field *field, void *at, const json_t *value);
void input_string(struct input *input, const struct field *field, const char **out,
                  const json_t *value);

#endif
