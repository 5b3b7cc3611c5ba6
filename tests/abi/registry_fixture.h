/* A registry over the folder of bad plugins, with a state directory of its own. */
#ifndef TESTS_ABI_REGISTRY_FIXTURE_H
#define TESTS_ABI_REGISTRY_FIXTURE_H

#include "base/log.h"
#include "loop/loop.h"
#include "plugin/ops.h"
#include "plugin/registry.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    char folder[64]; /* for files that a test makes */
    char state[64];
    struct loop *loop;
    struct plugin_environment environment;
    struct plugin_registry *registry;
};

static inline void fixture_open(struct fixture *fixture)
{
    static const struct plugin_service *const services[] = {
        &host_log_service, &host_thread_service,  &host_loop_service,
        &host_ops_service, &host_metrics_service,
    };
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/orch-abi-XXXXXX");
    snprintf(fixture->state, sizeof fixture->state, "/tmp/orch-abi-XXXXXX");
    cr_assert(mkdtemp(fixture->folder) && mkdtemp(fixture->state));
    const char *const paths[] = {fixture->folder, BAD_PLUGIN_DIR};
    fixture->loop = loop_create_virtual(1, 0);
    fixture->environment =
        (struct plugin_environment){.product = "orchestrator",
                                    .version = "0.1.0",
                                    .loop = fixture->loop,
                                    .ops = op_table_create(fixture->loop),
                                    .services = services,
                                    .service_count = sizeof services / sizeof services[0]};
    fixture->registry = plugin_registry_create(
        &(struct plugin_registry_settings){.environment = &fixture->environment,
                                           .paths = paths,
                                           .path_count = 2,
                                           .state_directory = fixture->state,
                                           .trial_limit_ms = 1000});
    /* Refusals are logged as errors, and wanted here. */
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, fileno(tmpfile()));
}

static inline void fixture_close(struct fixture *fixture)
{
    char command[160];
    plugin_registry_destroy(fixture->registry);
    op_table_destroy(fixture->environment.ops);
    (void)loop_run_until(fixture->loop, UINT64_MAX);
    loop_destroy(fixture->loop);
    snprintf(command, sizeof command, "rm -rf %s %s", fixture->folder, fixture->state);
    cr_assert_eq(system(command), 0);
}

#endif
