#include "base/text.h"
#include "plugin/config_schema.h"

#include <criterion/criterion.h>
#include <string.h>

static struct text faults;

static void on_fault(void *argument, const char *path, const char *message)
{
    (void)argument;
    text_append_format(&faults, "%s: %s\n", path, message);
}

static void teardown(void)
{
    text_finish(&faults);
}

TestSuite(config_schema, .fini = teardown);

#define SCHEMA                                                                                     \
    "{'type':'object','required':['endpoint'],'properties':{"                                      \
    "'endpoint':{'type':'string','pattern':'^(unix|tcp)://','description':'where'},"               \
    "'limit':{'type':'integer','minimum':1,'maximum':64,'default':8},"                             \
    "'ratio':{'type':['number','null'],'maximum':1},"                                              \
    "'mode':{'enum':['fast','safe'],'default':'safe'},"                                            \
    "'name':{'type':'string','minLength':1,'maxLength':4},"                                        \
    "'hosts':{'type':'array','maxItems':2,'items':{'type':'object','properties':{"                 \
    "'port':{'type':'integer','default':80}}}},"                                                   \
    "'labels':{'type':'object','additionalProperties':{'type':'string'}}}}"

/* Single quotes read better in C. */
static json_t *json(const char *quoted)
{
    char *text = memory_strdup(quoted);
    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(value, "%s", text);
    free(text);
    return value;
}

static struct config_schema *compile(const char *quoted, struct error *error)
{
    json_t *value = json(quoted);
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    struct config_schema *schema = config_schema_compile(text, error);
    json_decref(value);
    free(text);
    return schema;
}

static bool check(const char *quoted)
{
    struct error error = {0};
    struct config_schema *schema = compile(SCHEMA, &error);
    json_t *value = json(quoted);
    cr_assert_not_null(schema, "%s", error.message);
    text_clear(&faults);
    bool sound = config_schema_check(schema, value, "runtime.config", on_fault, NULL);
    json_decref(value);
    config_schema_destroy(schema);
    return sound;
}

Test(config_schema, accepts_what_fits)
{
    cr_assert(check("{'endpoint':'unix:///x','limit':64,'ratio':null,'mode':'fast','name':'äöüß',"
                    "'hosts':[{'port':1},{}],'labels':{'any':'thing'}}"),
              "%s", text_string(&faults));
    cr_assert(check("{'endpoint':'tcp://h','ratio':1}"), "%s", text_string(&faults));
}

Test(config_schema, reports_every_fault_with_its_path)
{
    static const struct {
        const char *config, *faults;
    } cases[] = {
        {"{'endpont':'unix://x'}",
         "runtime.config.endpont: unknown setting; did you mean \"endpoint\"?\n"
         "runtime.config.endpoint: is required\n"},
        {"{'endpoint':7}", "runtime.config.endpoint: must be of type string, not integer\n"},
        {"{'endpoint':'http://x'}",
         "runtime.config.endpoint: must match the pattern ^(unix|tcp)://\n"},
        {"{'endpoint':'unix://','limit':0}", "runtime.config.limit: must be at least 1\n"},
        {"{'endpoint':'unix://','limit':65}", "runtime.config.limit: must be at most 64\n"},
        {"{'endpoint':'unix://','limit':1.5}",
         "runtime.config.limit: must be of type integer, not number\n"},
        {"{'endpoint':'unix://','ratio':'x'}",
         "runtime.config.ratio: must be of type number or null, not string\n"},
        {"{'endpoint':'unix://','mode':'slow'}",
         "runtime.config.mode: must be one of \"fast\", \"safe\"\n"},
        {"{'endpoint':'unix://','name':''}", "runtime.config.name: must not be empty\n"},
        {"{'endpoint':'unix://','name':'abcde'}",
         "runtime.config.name: must have at most 4 characters\n"},
        {"{'endpoint':'unix://','hosts':[{},{'prot':1},{}]}",
         "runtime.config.hosts: must have at most 2 items\n"
         "runtime.config.hosts[1].prot: unknown setting; did you mean \"port\"?\n"},
        {"{'endpoint':'unix://','labels':{'a':1}}",
         "runtime.config.labels.a: must be of type string, not integer\n"},
        {"[]", "runtime.config: must be of type object, not array\n"},
        {"null", "runtime.config.endpoint: is required\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_expect_not(check(cases[i].config));
        cr_expect_str_eq(text_string(&faults), cases[i].faults, "%s gave %s", cases[i].config,
                         text_string(&faults));
    }
}

Test(config_schema, fills_in_defaults_at_every_depth)
{
    struct error error = {0};
    struct config_schema *schema = compile(SCHEMA, &error);
    json_t *value = json("{'endpoint':'unix://x','hosts':[{},{'port':7}]}");
    json_t *wanted = json("{'endpoint':'unix://x','hosts':[{'port':80},{'port':7}],'limit':8,"
                          "'mode':'safe'}");
    json_t *whole = config_schema_complete(schema, value);
    cr_assert(json_equal(whole, wanted));
    json_decref(value);
    json_decref(wanted);
    json_decref(whole);
    config_schema_destroy(schema);
}

Test(config_schema, refuses_schemas_that_say_what_it_does_not_understand)
{
    static const struct {
        const char *schema, *message;
    } cases[] = {
        {"{'type':'object','oneOf':[]}", "oneOf is a word that this host does not know"},
        {"{'type':'strng'}", "type must be a type's name or a list of them"},
        {"{'properties':{'a':{'items':{'pattern':'('}}}}",
         "a.items.pattern must be a POSIX extended regular expression"},
        {"{'properties':[]}", "properties must be an object"},
        {"{'additionalProperties':3}", "additionalProperties must be an object"},
        {"{'required':[1]}", "required must be a list of names"},
        {"{'enum':[]}", "enum must be a list of values"},
        {"[]", "must be an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        cr_expect_null(compile(cases[i].schema, &error));
        cr_expect(strstr(error.message, cases[i].message), "%s gave %s", cases[i].schema,
                  error.message);
    }
    struct error error = {0};
    cr_assert_null(config_schema_compile("{\"a\":", &error));
    cr_assert(strstr(error.message, "its configuration schema is no JSON: line 1"));
}
