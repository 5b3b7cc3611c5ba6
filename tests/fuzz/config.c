/* The configuration file: any bytes give a configuration, with faults or without; one without is
 * printed as a file that says the same. */
#include "config/config.h"
#include "fuzz.h"

static struct text printed(const char *bytes, size_t size, size_t *faults)
{
    struct text text = {0};
    struct config *config = config_load_bytes("fuzz.yaml", bytes, size, NULL);
    PROMISE(config, "no configuration");
    *faults = config_fault_count(config);
    config_write_faults(config, &text);
    PROMISE((*faults == 0) == (text.length == 0), "%zu faults, but <%s>", *faults,
            text_string(&text));
    PROMISE(text_is_utf8(text_string(&text), text.length), "a fault that is not UTF-8");
    text_clear(&text);
    config_describe(config, &text);
    json_t *described = json_loadb(text_string(&text), text.length, 0, NULL);
    PROMISE(described, "no JSON: %s", text_string(&text));
    json_decref(described);
    text_clear(&text);
    config_print(config, &text);
    config_destroy(config);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t faults, again;
    CLEANUP(text_finish) struct text first = printed((const char *)data, size, &faults);
    if (faults)
        return 0;
    struct text second = printed(text_string(&first), first.length, &again);
    PROMISE(again == 0, "what was printed has faults:\n%s", text_string(&first));
    text_finish(&second);
    return 0;
}
