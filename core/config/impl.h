/* Private to core/config. */
#ifndef CONFIG_IMPL_H
#define CONFIG_IMPL_H

#include "config/config.h"
#include "schema/yaml.h"

enum { CONFIG_FILE_BYTES = 1 << 20 };

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

/* Puts the ORCHD_ variables into the document. */
void environment_apply(struct config *config, const char *const *environment);
/* "certFile" -> "CERT_FILE". */
void environment_snake(const char *name, struct text *out);

/* Rules that no field table can say. */
void config_check_rules(struct config *config);

#endif
