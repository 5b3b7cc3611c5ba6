/* What there is to get: its names, its path, its columns. */
#ifndef CLI_KINDS_H
#define CLI_KINDS_H

#include "cli.h"
#include "table.h"

struct kind {
    const char *plural, *singular;
    const char *others; /* "deploy,dep" */
    const char *path;   /* "/deployments" */
    const char *key;    /* member that names it: "name", "id", "seq" */
    bool one;           /* GET PATH/NAME exists */
    bool deletable, watchable, selectable;
    const char *const *heads; /* the first `plain` of them without -o wide */
    size_t plain, columns;
    void (*fill)(struct arena *arena, const json_t *object, struct cell *row); /* all columns */
};
extern const struct kind kinds[];
extern const size_t kind_count;
/* By plural, singular or short form; NULL when it has complained. */
const struct kind *kind_find(struct cli *cli, const char *word);
/* The same without a word. */
const struct kind *kind_named(const char *word);
/* The colour of a state or phase. */
enum paint state_paint(const char *state);
/* The container that an id or its unique beginning means; in the arena. NULL: complained. */
const char *container_id(struct cli *cli, const char *given);

#endif
