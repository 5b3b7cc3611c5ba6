/* The judge: is this manifest one that this host can work with? Reads data only. */
#ifndef PLUGIN_MANIFEST_H
#define PLUGIN_MANIFEST_H

#include "base/text.h"
#include "plugin/registry.h"

/* The schema of a plugin that gives none: it takes no settings. */
#define PLUGIN_NO_CONFIG "{\"type\":\"object\",\"properties\":{}}"

/* An interface of plugins that this host knows. */
struct plugin_interface {
    const char *id;
    enum plugin_kind kind; /* NONE: a further interface of a plugin of some kind */
    uint32_t table_size;   /* of ours */
    const struct plugin_slot {
        const char *name;
        uint32_t offset;
    } * mandatory;
    size_t mandatory_count;
};
const struct plugin_interface *plugin_interface_find(const char *id); /* NULL: not known */

struct manifest_judgement {
    struct orch_manifest manifest; /* copied and zero-extended; its pointers are the plugin's */
    struct text reasons;           /* why not, joined by "; "; empty: accepted */
    struct text warnings;          /* likewise; of what is accepted all the same */
};
void manifest_judgement_finish(struct manifest_judgement *judgement);

/* `symbol`: what dlsym found, NULL too. `kind` NONE: any; else it must provide that kind by that
 * name. True: accepted. */
bool manifest_judge(const void *symbol, const struct plugin_environment *environment,
                    enum plugin_kind kind, const char *name, struct manifest_judgement *out);

/* The entry of that interface and name, NULL when there is none. */
const struct orch_provide *manifest_find(const struct orch_manifest *manifest,
                                         const char *interface_id, const char *name);
/* "scheduler-foo.so (org.foo.sched 2.1, SDK 1.4.0)"; `manifest` may be NULL or unread. */
void manifest_describe(struct text *out, const char *file, const char *id, const char *version,
                       uint32_t sdk_version);

#endif
