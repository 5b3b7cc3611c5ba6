/* The configuration against real plugins, read without loading them. */
#include "config/config.h"
#include "plugin/registry.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct plugin_service *const services[] = {&host_log_service, &host_loop_service,
                                                        &host_ops_service};
static const struct plugin_environment environment = {
    .product = "orchestrator", .version = "0.1.0", .services = services, .service_count = 3};

static void expect(const char *yaml, const char *const *variables, const char *const *wanted)
{
    static const char *const paths[] = {PLUGIN_DIR, TEST_PLUGIN_DIR};
    const struct plugin_registry_settings settings = {
        .environment = &environment, .paths = paths, .path_count = 2};
    struct plugin_registry *registry = plugin_registry_create(&settings);
    struct config *config = config_load_bytes("f.yaml", yaml, strlen(yaml), variables);
    CLEANUP(text_finish) struct text faults = {0};
    cr_assert_eq(config_check_plugins(config, registry), !*wanted);
    config_write_faults(config, &faults);
    size_t count = 0;
    for (; *wanted; wanted++, count++)
        cr_expect(strstr(text_string(&faults), *wanted), "no <%s> in\n%s", *wanted,
                  text_string(&faults));
    cr_expect_eq(config_fault_count(config), count, "%s", text_string(&faults));
    config_destroy(config);
    plugin_registry_destroy(registry);
}

#define PRESENT                                                                                    \
    "store: {plugin: memory}\n"                                                                    \
    "balancer: {default: example, fallback: example}\n"

Test(config_plugins, settings_are_checked_as_strictly_as_our_own, .timeout = 60)
{
    expect(PRESENT "runtime: {plugin: simulated, config: {http: true, cpu: 2}}\n", NULL,
           (const char *const[]){NULL});
    expect(PRESENT "runtime:\n  plugin: simulated\n  config:\n    htpt: true\n    cpu: '2'\n", NULL,
           (const char *const[]){
               "f.yaml:6:5: runtime.config.htpt: unknown setting; did you mean \"http\"?\n",
               "f.yaml:7:10: runtime.config.cpu: must be of type number, not string\n", NULL});
    expect(
        PRESENT "runtime: {plugin: simulated}\nscheduler: {config: {spread: {a: 1}}}\n", NULL,
        (const char *const[]){"f.yaml:4:31: scheduler.config.spread.a: unknown setting\n", NULL});
    expect(PRESENT "runtime: {plugin: simulated}\n",
           (const char *const[]){"ORCHD_RUNTIME_CONFIG_PULL_MS=x", NULL},
           (const char *const[]){"environment ORCHD_RUNTIME_CONFIG_PULL_MS: runtime.config.pullMs: "
                                 "must be of type integer, not string\n",
                                 NULL});
}

Test(config_plugins, a_plugin_that_is_not_there_is_named_with_its_place, .timeout = 60)
{
    expect(
        "store: {plugin: memroy}\nruntime: {plugin: none}\n"
        "scheduler: {default: spread, fallback: binpakc, config: {other: {}}}\n"
        "balancer: {default: nix, fallback: nix}\n",
        NULL,
        (const char *const[]){"f.yaml:1:17: store.plugin: there is no store plugin \"memroy\"",
                              "f.yaml:2:19: runtime.plugin: ", "f.yaml:3:40: scheduler.fallback: ",
                              "scheduler.config.other: ", "f.yaml:4:21: balancer.default: ", NULL});
}

Test(config_plugins, nothing_is_read_after_a_syntax_fault)
{
    static const struct plugin_registry_settings settings = {.environment = &environment};
    struct plugin_registry *registry = plugin_registry_create(&settings);
    struct config *config = config_load_bytes("f.yaml", "a: [", 4, NULL);
    cr_assert_not(config_check_plugins(config, registry));
    cr_assert_eq(config_fault_count(config), 1);
    config_destroy(config);
    plugin_registry_destroy(registry);
}
