/* What GET /containers/ID/json answers. */
#include "docker.h"

#include <string.h>

uint32_t state_of(const char *word)
{
    static const struct {
        const char *word;
        uint32_t state;
    } states[] = {{"created", ORCH_CONTAINER_CREATED},  {"running", ORCH_CONTAINER_RUNNING},
                  {"paused", ORCH_CONTAINER_RUNNING},   {"restarting", ORCH_CONTAINER_RUNNING},
                  {"exited", ORCH_CONTAINER_EXITED},    {"dead", ORCH_CONTAINER_EXITED},
                  {"removing", ORCH_CONTAINER_REMOVING}};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(states[i].word, word) == 0)
            return states[i].state;
    return ORCH_CONTAINER_UNKNOWN;
}

/* Absent and null are "not given"; anything but a string is a fault. */
static bool optional_string(const json_t *object, const char *name, const char **out)
{
    const json_t *value = json_object_get(object, name);
    *out = json_string_value(value);
    return !value || json_is_null(value) || *out;
}

static bool optional_bool(const json_t *object, const char *name, bool *out)
{
    const json_t *value = json_object_get(object, name);
    *out = json_is_true(value);
    return !value || json_is_boolean(value);
}

bool labels_valid(const json_t *labels)
{
    const char *key;
    json_t *value;
    if (!labels || json_is_null(labels))
        return true;
    json_object_foreach((json_t *)labels, key, value) if (!json_is_string(value)) return false;
    return json_is_object(labels);
}

bool inspect_parse(const json_t *root, struct inspected *out)
{
    const json_t *state = json_object_get(root, "State");
    const json_t *config = json_object_get(root, "Config");
    const json_t *code = json_object_get(state, "ExitCode");
    const char *started, *finished;
    *out = (struct inspected){.id = json_string_value(json_object_get(root, "Id")),
                              .name = json_string_value(json_object_get(root, "Name")),
                              .labels = json_object_get(config, "Labels"),
                              .status = json_string_value(json_object_get(state, "Status"))};
    if (!out->id || !id_valid(str(out->id)) || !out->name || !out->status ||
        !labels_valid(out->labels) || (code && !json_is_integer(code)) ||
        !optional_bool(state, "Running", &out->running) ||
        !optional_bool(state, "OOMKilled", &out->oom) ||
        !optional_string(state, "Error", &out->message) ||
        !optional_string(config, "StopSignal", &out->stop_signal) ||
        !optional_string(state, "StartedAt", &started) ||
        !optional_string(state, "FinishedAt", &finished))
        return false;
    if (out->name[0] == '/')
        out->name++;
    json_int_t number = json_integer_value(code);
    if (number < INT32_MIN || number > INT32_MAX)
        return false;
    out->exit_code = (int32_t)number;
    out->started_at_ms = time_ms(started);
    out->finished_at_ms = time_ms(finished);
    return true;
}

void inspect_start(struct job *job, struct orch_str name, uint64_t timeout_ns, uint64_t number,
                   void (*done)(struct job *job, uint64_t number, const struct reply *reply))
{
    struct text path = {0};
    text_format(&path, "/containers/%.*s/json", (int)name.len, name.ptr);
    call_start(job, &(struct call_request){.method = "GET",
                                           .path = text_string(&path),
                                           .timeout_ns = timeout_ns,
                                           .number = number,
                                           .done = done});
    text_finish(&path);
}
