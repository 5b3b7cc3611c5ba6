/* Private to core/config. */
#ifndef CONFIG_IMPL_H
#define CONFIG_IMPL_H

#include "config/config.h"

enum { CONFIG_FILE_BYTES = 1 << 20, CONFIG_DEPTH = 32 };

struct config_origins {
    char *file;         /* owned; as given by the user; NULL: none was read */
    bool on_disk;       /* the file was read from a disk, by this very name */
    bool unread;        /* no file or no YAML: one fault, nothing else was looked at */
    struct arena arena; /* strings of the configuration, names of variables */
    json_t *document;   /* file and environment merged; an object */
    struct schema_positions *positions;
    const char **variables; /* in the arena; number n has the positions' line -(n + 1) */
    size_t variable_count;
    struct schema_faults faults;
};

/* Where something came from, for a path below which values are put. */
struct yaml_source {
    struct schema_positions *positions;
    struct schema_faults *faults;
    const char *path; /* of the whole value; "" for the file */
    int fixed_line;   /* not 0: every position is this one */
};
/* One YAML document as Jansson values, or NULL with a fault added. An empty document is null. No
 * anchors, aliases, tags, duplicate keys or second document; scalars by the core schema of YAML 1.2
 * (true, false, null, numbers; all else is a string). */
json_t *yaml_read(const char *bytes, size_t length, const struct yaml_source *source);

/* Puts the ORCHD_ variables into the document. */
void environment_apply(struct config *config, const char *const *environment);
/* "certFile" -> "CERT_FILE". */
void environment_snake(const char *name, struct text *out);

/* Rules that no field table can say. */
void config_check_rules(struct config *config);

#endif
