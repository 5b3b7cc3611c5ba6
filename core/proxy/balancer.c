/* Balancer plugins on the main thread: loading, a policy for each service, tables, and what happens
 * when a plugin is not fit: the fallback takes over, and if that fails too, plain turns. */
#include "base/log.h"
#include "plugin/registry.h"
#include "proxy/impl.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct plugin_service *const services[] = {&host_log_service, &host_thread_service,
                                                        &host_metrics_service};

void balancer_init(struct proxy *proxy)
{
    proxy->environment =
        (struct plugin_environment){.product = "orchestrator",
                                    .version = ORCHESTRATOR_VERSION,
                                    .loop = proxy->loop,
                                    .services = services,
                                    .service_count = sizeof services / sizeof services[0]};
    proxy->registry = plugin_registry_create(
        &(struct plugin_registry_settings){.environment = &proxy->environment});
}

void balancer_load(struct proxy *proxy, const char *name, int take_fd)
{
    struct error error = {0};
    pulse_enter(&proxy->pulse, name);
    if (!plugin_load_descriptor(proxy->registry, take_fd, PLUGIN_BALANCER, name, &error))
        LOG_ERROR("a balancer can't be loaded", LOG_STR("balancer", name),
                  LOG_STR("error", error.message));
    pulse_leave(&proxy->pulse);
}

static struct policy *make_policy(struct proxy *proxy, const struct service *service,
                                  const char *name)
{
    struct policy *policy = memory_alloc(sizeof *policy);
    policy->name = policy->label = name;
    policy->policy_seed = service->policy_seed;
    policy->references = 1;
    policy->wants.size = sizeof policy->wants;
    policy->next = proxy->policies;
    proxy->policies = policy;
    return policy;
}

static bool create_object(struct proxy *proxy, struct plugin *plugin, const char *config,
                          struct policy *policy, struct error *error)
{
    struct orch_error theirs = {.size = sizeof theirs};
    const struct orch_balancer_v1 *table = plugin_get_table(plugin);
    pulse_enter(&proxy->pulse, policy->label);
    orch_status status =
        table->create(plugin_get_module(plugin), &plugin_get_host(plugin)->orch,
                      (struct orch_str){config, strlen(config)}, policy->policy_seed,
                      &policy->object, &policy->wants, &theirs);
    pulse_leave(&proxy->pulse);
    if (status != ORCH_OK) {
        plugin_error_take(error, status, &theirs);
        return false;
    }
    policy->table = table;
    if (policy->wants.key_count > sizeof policy->wants.keys / sizeof policy->wants.keys[0])
        policy->wants.key_count = sizeof policy->wants.keys / sizeof policy->wants.keys[0];
    return true;
}

/* Configuration of the fallback is its own defaults. */
static char *complete_config(const struct plugin *plugin, const char *config)
{
    json_t *given = config && config[0] ? json_loads(config, 0, NULL) : NULL;
    char *completed = NULL;
    (void)plugin_check_config(plugin, given, "", NULL, NULL, &completed);
    json_decref(given);
    return completed;
}

static struct policy *try_policy(struct proxy *proxy, const struct service *service,
                                 const char *name, const char *config, struct error *error)
{
    struct plugin *plugin = plugin_registry_find(proxy->registry, PLUGIN_BALANCER, name);
    if (!plugin) {
        error_set(error, ERROR_NOT_FOUND, "it is not loaded");
        return NULL;
    }
    const struct plugin_info *info = plugin_get_info(plugin);
    char *text = complete_config(plugin, config);
    if (!text) {
        error_set(error, ERROR_VALIDATION, "its configuration is not valid");
        return NULL;
    }
    struct policy *policy = make_policy(proxy, service, info->name);
    policy->label = plugin_get_host(plugin)->label;
    bool created = create_object(proxy, plugin, text, policy, error);
    free(text);
    if (created)
        return policy;
    policy_release(policy);
    return NULL;
}

static struct policy *create_fallback(struct proxy *proxy, const struct service *service,
                                      const char *failed)
{
    struct error error = {0};
    struct policy *policy = NULL;
    if (proxy->fallback && !text_equal(failed, proxy->fallback)) {
        policy = try_policy(proxy, service, proxy->fallback, NULL, &error);
        if (!policy)
            LOG_ERROR("the fallback balancer failed; endpoints are taken in turn",
                      LOG_STR("balancer", proxy->fallback), LOG_STR("service", service->name),
                      LOG_STR("error", error.message));
    }
    return policy ? policy : make_policy(proxy, service, "turns");
}

struct policy *policy_create(struct proxy *proxy, const struct service *service)
{
    struct error error = {0};
    struct policy *policy =
        try_policy(proxy, service, service->balancer, service->balancer_config, &error);
    if (policy)
        return policy;
    LOG_ERROR("a balancer failed; the fallback takes over", LOG_STR("balancer", service->balancer),
              LOG_STR("service", service->name), LOG_STR("error", error.message));
    return create_fallback(proxy, service, service->balancer);
}

void policy_release(struct policy *policy)
{
    if (policy)
        policy->references--;
}

static void use_policy(struct view *view, struct policy *policy)
{
    view->policy = policy;
    policy->references++;
}

static bool build(struct proxy *proxy, struct view *view, struct policy *policy,
                  struct error *error)
{
    struct orch_error theirs = {.size = sizeof theirs};
    if (!policy->table || !policy->table->build)
        return true;
    pulse_enter(&proxy->pulse, policy->label);
    orch_status status =
        policy->table->build(policy->object, &view->endpoints, &view->table, &theirs);
    pulse_leave(&proxy->pulse);
    if (status == ORCH_OK)
        return true;
    view->table = NULL;
    plugin_error_take(error, status, &theirs);
    return false;
}

void policy_build(struct proxy *proxy, struct view *view, struct service *service)
{
    struct error error = {0};
    while (!build(proxy, view, service->policy, &error)) {
        LOG_ERROR("a balancer can't build its table; the fallback takes over",
                  LOG_STR("balancer", service->policy->name), LOG_STR("service", service->name),
                  LOG_STR("error", error.message));
        struct policy *failed = service->policy;
        service->policy = create_fallback(proxy, service, failed->name);
        policy_release(failed);
    }
    use_policy(view, service->policy);
}

static bool replace_failed(struct proxy *proxy)
{
    struct service *service, *next;
    bool replaced = false;
    HASH_ITER(hh, proxy->services, service, next)
    {
        struct policy *policy = service->policy;
        if (!policy || !policy->table || !atomic_load(&policy->failed))
            continue;
        LOG_ERROR("a balancer broke a rule; the fallback takes over",
                  LOG_STR("balancer", policy->name), LOG_STR("service", service->name));
        service->policy = create_fallback(proxy, service, policy->name);
        policy_release(policy);
        service->changed = replaced = true;
    }
    return replaced;
}

static void free_policy(struct policy *policy)
{
    if (policy->table)
        policy->table->destroy(policy->object);
    free(policy);
}

static void free_ended(struct proxy *proxy)
{
    for (struct policy **at = &proxy->policies; *at;) {
        struct policy *policy = *at;
        if (policy->references || atomic_load(&policy->choosers)) {
            at = &policy->next;
            continue;
        }
        *at = policy->next;
        pulse_enter(&proxy->pulse, policy->label);
        free_policy(policy);
        pulse_leave(&proxy->pulse);
    }
}

bool policy_look(struct proxy *proxy)
{
    bool replaced = replace_failed(proxy);
    free_ended(proxy);
    return replaced;
}

void balancer_finish(struct proxy *proxy)
{
    free_ended(proxy);
    plugin_registry_destroy(proxy->registry);
    free(proxy->fallback);
}
