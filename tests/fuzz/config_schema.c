/* A plugin's schema on the first line, a configuration after it: a schema that is accepted can
 * judge and complete anything. */
#include "fuzz.h"
#include "plugin/config_schema.h"

static void fault(void *argument, const char *path, const char *message)
{
    size_t *count = argument;
    PROMISE(path && path[0] && message && message[0], "a fault without place or words");
    ++*count;
}

static void check(const struct config_schema *schema, const uint8_t *data, size_t size)
{
    size_t faults = 0;
    json_t *value = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    if (!value)
        return;
    bool good = config_schema_check(schema, value, "settings", fault, &faults);
    PROMISE(good == (faults == 0), "%zu faults", faults);
    if (good) {
        json_t *before = json_deep_copy(value), *whole = config_schema_complete(schema, value);
        PROMISE(whole && json_equal(value, before), "completing changed what was given");
        json_decref(before);
        json_decref(whole);
    }
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line;
    struct error error = {0};
    size_t length = fuzz_line(&data, &size, &line);
    char *text = fuzz_string(line, length);
    struct config_schema *schema = config_schema_compile(text, &error);
    PROMISE(schema || error.message[0], "refused without a word");
    if (schema)
        check(schema, data, size);
    config_schema_destroy(schema);
    free(text);
    return 0;
}
