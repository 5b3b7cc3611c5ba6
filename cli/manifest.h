/* Manifests: files of YAML or JSON documents, ours and Kubernetes', read into what the API takes
 * and judged by the server's own tables, with the place of every fault. */
#ifndef CLI_MANIFEST_H
#define CLI_MANIFEST_H

#include "cli.h"
#include "schema/yaml.h"

struct kind;
struct manifest {
    const struct kind *kind; /* deployments or services */
    const char *name;
    json_t *body;   /* owned: what PUT takes, as the file says it */
    bool converted; /* from Kubernetes */
};
struct manifests {
    struct manifest *items; /* owned */
    size_t count;
};
/* What -f names, in order. False when it has complained: then nothing may be changed. */
bool manifests_read(struct cli *cli, struct manifests *manifests);
void manifests_finish(struct manifests *manifests);
/* Fields and defaults of the declared kind; NULL for others. */
const struct type *manifest_type(const struct kind *kind);

/* One document on its way. */
struct document {
    const char *file;
    json_t *value; /* owned */
    const struct schema_positions *positions;
    const char *path; /* of the document in its file: "" or "items[2]" */
    struct schema_faults faults;
    struct text notes; /* lines: what was left out, and what to know */
};
/* kubernetes.c: does it look like one of Kubernetes'? */
bool kubernetes_is(const json_t *value);
/* Labels of the containers that a document declares, and the deployment's name: what services
 * select by. NULL: it declares none. Borrowed. */
const json_t *kubernetes_labels(const struct document *document, const char **name);
/* Into our manifests: one, or several for a service with several ports. Faults are added to the
 * document. `positions` gets the places of what was made, by our paths. */
struct conversion;
void kubernetes_convert(struct arena *arena, struct document *document,
                        const struct document *documents, size_t count, bool lenient,
                        void (*take)(void *user, const struct kind *kind, json_t *body,
                                     const struct schema_positions *positions),
                        void *user);

/* kubernetes_quantity.c: "1.5Gi", "100m", "1e3", 2: in thousandths of `unit`'s whole, rounded up as
 * Kubernetes does. False: it is none, or too large. */
bool quantity_parse(const char *text, int decimals, long long *value);

#endif
