/* orchestrator-plugin-check: judges a plugin as the daemon does, then exercises what it provides.
 * Each exercise reports by check_that; what fails is printed and counted. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "loop/loop.h"
#include "plugin/registry.h"

#include <stdbool.h>

struct check {
    struct plugin *plugin;
    struct plugin_environment *environment;
    const char *config; /* JSON text, checked */
    const char *folder; /* empty, 0700: for stores */
    unsigned passed, failed;
};
/* Prints "  ok   sentence" or "  FAIL sentence"; returns `holds`. */
bool check_that(struct check *check, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* For a status with the plugin's error: prints it when it is not ORCH_OK. */
bool check_ok(struct check *check, orch_status status, const struct orch_error *error,
              const char *what);

/* Memory of `size` bytes for the plugin to fill, its first member set to the size, with a guard
 * behind it. */
void *guarded_create(uint32_t size);
bool guarded_intact(const void *memory, uint32_t size);
void guarded_destroy(void *memory);

void check_scheduler(struct check *check);
void check_balancer(struct check *check);
void check_store(struct check *check);
void check_runtime(struct check *check);

#endif
