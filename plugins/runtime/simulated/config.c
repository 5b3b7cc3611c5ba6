#include "simulated.h"

#include <fnmatch.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static uint64_t milliseconds(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value * NS_PER_MS : 0;
}

static orch_status status_of(const char *word)
{
    if (!word)
        return ORCH_OK;
    if (strcmp(word, "NOT_FOUND") == 0)
        return ORCH_E_NOT_FOUND;
    if (strcmp(word, "DENIED") == 0)
        return ORCH_E_DENIED;
    return ORCH_E_UNAVAILABLE;
}

static void add_rule(struct settings *settings, const json_t *object)
{
    const json_t *after = json_object_get(object, "exitAfterMs");
    if (settings->rule_count == RULES_LIMIT)
        return;
    settings->rules[settings->rule_count++] = (struct rule){
        .image = strdup(json_string_value(json_object_get(object, "image"))),
        .pull = status_of(json_string_value(json_object_get(object, "pull"))),
        .pull_ns = milliseconds(object, "pullMs"),
        .start_ns = milliseconds(object, "startMs"),
        .exit_after_ms = after ? json_integer_value(after) : -1,
        .exit_code = (int32_t)json_integer_value(json_object_get(object, "exitCode"))};
}

static bool read_memory(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"", 0}};
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (end != text && strcmp(end, units[i].name) == 0 &&
            number <= UINT64_MAX >> (units[i].shift + 1)) {
            *bytes = (uint64_t)number << units[i].shift;
            return true;
        }
    return false;
}

static const char standard_rules[] =
    "[{\"image\":\"missing/*\",\"pull\":\"NOT_FOUND\"},{\"image\":\"denied/"
    "*\",\"pull\":\"DENIED\"},"
    "{\"image\":\"crash/*\",\"exitAfterMs\":100,\"exitCode\":1},"
    "{\"image\":\"slow/*\",\"pullMs\":2000,\"startMs\":500}]";

static void read_rules(struct settings *settings, json_t *given)
{
    json_t *rules = given ? json_incref(given) : json_loads(standard_rules, 0, NULL), *item;
    size_t index;
    json_array_foreach(rules, index, item) add_rule(settings, item);
    json_decref(rules);
}

orch_status settings_read(struct settings *settings, struct orch_str config,
                          struct orch_error *error)
{
    json_t *object =
        json_loadb(config.ptr ? config.ptr : "{}", config.ptr ? config.len : 2, 0, NULL);
    const json_t *cpu = json_object_get(object, "cpu");
    const char *memory = json_string_value(json_object_get(object, "memory"));
    bool fine =
        json_is_object(object) && read_memory(memory ? memory : "16Gi", &settings->memory_bytes);
    settings->cpu_millis = cpu ? (uint64_t)(json_number_value(cpu) * 1000 + 0.5) : 4000;
    settings->pull_ns = milliseconds(object, "pullMs");
    settings->create_ns = milliseconds(object, "createMs");
    settings->start_ns = milliseconds(object, "startMs");
    settings->stop_ns = milliseconds(object, "stopMs");
    settings->http = json_is_true(json_object_get(object, "http"));
    read_rules(settings, json_object_get(object, "images"));
    json_decref(object);
    return fine ? ORCH_OK
                : orch_fail(error, ORCH_E_INVALID, "memory must be a size such as \"16Gi\"");
}

void settings_finish(struct settings *settings)
{
    for (size_t i = 0; i < settings->rule_count; i++)
        free(settings->rules[i].image);
}

const struct rule *settings_rule(const struct settings *settings, const char *image)
{
    static const struct rule none = {.pull = ORCH_OK, .exit_after_ms = -1};
    for (size_t i = 0; i < settings->rule_count; i++)
        if (fnmatch(settings->rules[i].image, image, 0) == 0)
            return &settings->rules[i];
    return &none;
}
