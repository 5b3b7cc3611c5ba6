/* JSON values as JSON or YAML on stdout, and short forms of what they hold. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli.h"

enum format { FORMAT_TABLE = 1, FORMAT_WIDE, FORMAT_JSON, FORMAT_YAML, FORMAT_NAME };
/* By -o; -q is "name". False when it has complained. */
bool output_format(const struct cli *cli, enum format *format);

/* With a newline; compact: on one line. On a terminal whatever could move its cursor is escaped. */
void output_json(const json_t *value, bool compact);
void output_yaml(const json_t *value);

/* Members by path ("status.ready"); NULL or 0 when they are not there. */
const json_t *member(const json_t *object, const char *path);
const char *member_text(const json_t *object, const char *path); /* "" when it is no text */
long long member_int(const json_t *object, const char *path);
bool member_true(const json_t *object, const char *path);
/* A scalar as text in the arena; "" for null, lists and objects. */
const char *member_shown(struct arena *arena, const json_t *object, const char *path);
/* "3m", "2d4h" since an RFC 3339 time; "" for none. */
const char *age_of(struct arena *arena, const char *time);
/* "a=1,b=2" of an object. */
const char *pairs_of(struct arena *arena, const json_t *object);

#endif
