/* What a container is made from. */
#include "container/template.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

/* The names that are left, joined by spaces; or "FAULTS" with the paths of what is wrong. */
static const char *left_of(const char *security)
{
    static char out[512];
    const char *names[48];
    struct container_template template = {0};
    CLEANUP(arena_finish) struct arena arena = {0};
    CLEANUP(schema_faults_finish) struct schema_faults faults = {0};
    json_t *input =
        json_pack("{s:s, s:o}", "image", "app:1", "security", json_loads(security, 0, NULL));
    schema_read_input(&container_template_type, input, "", NULL, &arena, &template, &faults);
    json_decref(input);
    size_t length = (size_t)snprintf(out, sizeof out, "%s", faults.count ? "FAULTS" : "");
    for (size_t i = 0; i < faults.count; i++)
        length += (size_t)snprintf(out + length, sizeof out - length, " %s", faults.items[i].path);
    size_t count = faults.count ? 0 : template_capabilities(&template, names);
    for (size_t i = 0; i < count; i++)
        length +=
            (size_t)snprintf(out + length, sizeof out - length, "%s%s", i ? " " : "", names[i]);
    return out;
}

Test(template, has_the_default_capabilities_but_for_those_dropped)
{
    cr_assert_str_eq(left_of("{}"), "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETGID "
                                    "SETPCAP SETUID");
    cr_assert_str_eq(left_of("{\"capabilities\":{\"drop\":[\"KILL\",\"SETUID\",\"CHOWN\"]}}"),
                     "DAC_OVERRIDE FOWNER FSETID NET_BIND_SERVICE SETGID SETPCAP");
}

Test(template, drops_all_capabilities_by_one_word)
{
    cr_assert_str_eq(left_of("{\"capabilities\":{\"drop\":[\"ALL\"]}}"), "");
    cr_assert_str_eq(left_of("{\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"NET_RAW\"]}}"),
                     "NET_RAW");
}

Test(template, adds_capabilities_by_their_names_only)
{
    cr_assert_str_eq(left_of("{\"capabilities\":{\"add\":[\"ALL\"]}}"),
                     "FAULTS security.capabilities.add");
    cr_assert_str_eq(left_of("{\"capabilities\":{\"drop\":[\"all\"]}}"),
                     "FAULTS security.capabilities.drop");
}
