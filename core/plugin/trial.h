/* Loads a plugin in a child process with a time limit and has it judged there: what hangs, crashes
 * or exits in a constructor, or in a manifest full of wild pointers, does so over there. */
#ifndef PLUGIN_TRIAL_H
#define PLUGIN_TRIAL_H

#include "plugin/registry.h"

struct trial {
    const struct plugin_environment *environment;
    int fd;           /* of the file */
    const char *file; /* for messages: "scheduler-foo.so" */
    enum plugin_kind kind;
    const char *name;
    uint64_t limit_ms;
    /* Optional: a configuration to be checked against the plugin's schema. */
    bool check_config;
    const json_t *config;
    const char *config_path;
};
struct trial_report {
    bool accepted;
    char *reasons, *warnings; /* owned; "" when none */
    char *id, *version;       /* owned; "" when not known */
    uint32_t sdk_version;
    json_t *provides; /* [{"interface", "name"}] */
    json_t *faults;   /* of the configuration: [{"path", "message"}] */
};
/* Always fills the report. The caller finishes it. */
void trial_run(const struct trial *trial, struct trial_report *out);
void trial_report_finish(struct trial_report *report);

/* dlerror's text without the path in front, which the messages begin with anyway. */
const char *plugin_dlerror(void);

#endif
