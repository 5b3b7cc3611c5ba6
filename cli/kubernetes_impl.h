/* What the parts of the conversion from Kubernetes share. Private to it.
 *
 * An object is walked by a table of rules, one for each member that is known: it maps, it says what
 * is so here anyway, it is written by Kubernetes itself, or it is refused with a reason. A member
 * without a rule is refused. */
#ifndef CLI_KUBERNETES_IMPL_H
#define CLI_KUBERNETES_IMPL_H

#include "manifest.h"

struct conversion {
    struct arena *arena;
    struct document *document;
    bool lenient;
    const struct document *documents; /* all of them: services look for deployments */
    size_t document_count;
    json_t *out;                        /* owned: what is made */
    struct schema_positions *positions; /* owned: of what is made */
    const json_t *env;                  /* of the container, for $(NAME); borrowed from `out` */
    bool daemon_set;
};

typedef void convert_member(struct conversion *conversion, const char *path, json_t *value);
struct rule {
    const char *name;
    convert_member *convert; /* NULL: see the others */
    const char *only;        /* JSON: this value says what is so here anyway, others are refused */
    const char *why;         /* refused, with this reason; "" for what Kubernetes itself writes */
};
#define RULES(table) (table), sizeof(table) / sizeof((table)[0])
void convert_object(struct conversion *conversion, const char *path, json_t *value,
                    const struct rule *rules, size_t count);

/* At `path` of the source. `refuse`: --lenient leaves it out; `wrong`: it does not. */
void refuse(struct conversion *conversion, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void wrong(struct conversion *conversion, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void note(struct conversion *conversion, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* False, after `wrong`, when it is of another type. */
bool want_string(struct conversion *conversion, const char *path, const json_t *value);
bool want_integer(struct conversion *conversion, const char *path, const json_t *value);
bool want_object(struct conversion *conversion, const char *path, const json_t *value);
bool want_list(struct conversion *conversion, const char *path, const json_t *value);
const char *path_join(struct conversion *conversion, const char *path, const char *name);
const char *path_item(struct conversion *conversion, const char *path, size_t index);

/* Sets "rollout.minReady" of what is made; takes the value. Its place is that of `path`. */
void put(struct conversion *conversion, const char *ours, json_t *value, const char *path);
/* Only the place: what is made at `ours` came from `path`. */
void place(struct conversion *conversion, const char *ours, const char *path);
/* "30s" */
json_t *seconds(long long count);

/* kubernetes_pod.c: spec.template.spec */
void convert_pod(struct conversion *conversion, const char *path, json_t *value);
/* kubernetes_probe.c: into "livenessProbe" or another of ours */
void convert_probe(struct conversion *conversion, const char *ours, const char *path,
                   json_t *value);
/* kubernetes_container.c: spec.template.spec.containers[0] */
void convert_container(struct conversion *conversion, const char *path, json_t *value);
/* runAsUser and runAsGroup of a security context, the container's over the pod's. */
void convert_user(struct conversion *conversion, const char *path, const json_t *context);
/* kubernetes_service.c; `take` gets one body for each port. */
void convert_service(struct conversion *conversion,
                     void (*take)(struct conversion *conversion, void *user), void *user);

#endif
