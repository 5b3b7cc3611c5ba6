#include "config/config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct config *load(const char *yaml, const char *const *environment)
{
    return config_load_bytes("f.yaml", yaml, strlen(yaml), environment);
}

static void expect_faults(const char *yaml, const char *const *environment, const char *wanted)
{
    CLEANUP(text_finish) struct text faults = {0};
    struct config *config = load(yaml, environment);
    config_write_faults(config, &faults);
    cr_expect_str_eq(text_string(&faults), wanted, "for\n%s\nwanted\n%sgot\n%s", yaml, wanted,
                     text_string(&faults));
    config_destroy(config);
}

Test(config, an_empty_file_has_every_default)
{
    static const char *const empties[] = {"",      "\n",           "# nothing\n",
                                          "---\n", "---\n...\n",   "{}",
                                          "null",  "\xef\xbb\xbf", "\xef\xbb\xbf# after a mark\n"};
    for (size_t i = 0; i < sizeof empties / sizeof empties[0]; i++) {
        struct config *config = load(empties[i], NULL);
        cr_assert_eq(config_fault_count(config), 0, "%zu", i);
        cr_assert_str_eq(config->state_dir, "/var/lib/orchestrator");
        cr_assert_str_eq(config->api.listen, "127.0.0.1:7070");
        cr_assert_str_eq(config->api.key, "");
        cr_assert_null(config->api.tls);
        cr_assert_str_eq(config->store.plugin, "sqlite");
        cr_assert_str_eq(config->runtime.use.plugin, "docker");
        cr_assert_str_eq(config->scheduler.standard, "spread");
        cr_assert_str_eq(config->balancer.fallback, "round-robin");
        cr_assert_eq(config->proxy.linger_ns, UINT64_C(1800000000000));
        cr_assert_str_eq(config->proxy.user, "nobody");
        cr_assert_eq(config->node.suspect_after_ns, UINT64_C(3000000000));
        cr_assert_eq(config->node.lost_after_ns, UINT64_C(15000000000));
        cr_assert_eq(config->log.level, LOG_LEVEL_INFO);
        cr_assert_eq(config->log.format, LOG_FORMAT_AUTO);
        config_destroy(config);
    }
}

Test(config, the_example_file_says_what_the_defaults_are)
{
    CLEANUP(text_finish) struct text example = {0}, standard = {0}, printed = {0};
    struct config *from_file = config_load(EXAMPLE_FILE, NULL), *empty = load("", NULL);
    cr_assert_eq(config_fault_count(from_file), 0);
    schema_write(&config_type, from_file, SCHEMA_DECLARED, &example);
    schema_write(&config_type, empty, SCHEMA_DECLARED, &standard);
    cr_assert_str_eq(text_string(&example), text_string(&standard));
    config_print(from_file, &printed);
    cr_assert_null(strstr(text_string(&printed), "# default"), "a setting is missing in it:\n%s",
                   text_string(&printed));
    config_destroy(from_file);
    config_destroy(empty);
}

Test(config, reads_values_in_every_form)
{
    struct config *config = load("stateDir: /tmp/x\n"
                                 "log: {level: debug, format: json}\n"
                                 "api:\n"
                                 "  listen: '[::1]:0'\n"
                                 "  key: \"0123456789abcdef\"\n"
                                 "plugins:\n"
                                 "  path:\n"
                                 "    - /a\n"
                                 "    - /b\n"
                                 "runtime: {plugin: simulated, config: {cpu: 2, http: true},"
                                 " allowCapabilities: [NET_RAW, SYS_PTRACE]}\n"
                                 "scheduler:\n"
                                 "proxy: {linger: 0, workers: 0x2}\n"
                                 "node:\n"
                                 "  labels: {zone: a, example.org/rack: \"7\"}\n"
                                 "  reserved: {cpu: 0.5, memory: 1G}\n"
                                 "  suspectAfter: 1.5\n",
                                 NULL);
    cr_assert_eq(config_fault_count(config), 0);
    cr_assert_str_eq(config->api.listen, "[::1]:0");
    cr_assert_eq(config->plugin_path.count, 2);
    cr_assert_str_eq(*LIST_AT(config->plugin_path, const char *, 1), "/b");
    cr_assert_str_eq(config->runtime.use.config, "{\"cpu\":2,\"http\":true}");
    cr_assert_eq(config->runtime.allow_capabilities.count, 2);
    cr_assert_str_eq(config->scheduler.standard, "spread");
    cr_assert_eq(config->proxy.linger_ns, 0);
    cr_assert_eq(config->proxy.workers, 2);
    cr_assert_str_eq(map_get(&config->node.labels, "example.org/rack"), "7");
    cr_assert_eq(config->node.reserved.cpu_millis, 500);
    cr_assert_eq(config->node.reserved.memory_bytes, 1000000000);
    cr_assert_eq(config->node.suspect_after_ns, UINT64_C(1500000000));
    cr_assert(
        json_is_true(json_object_get(config_plugin_settings(config, "runtime.config"), "http")));
    config_destroy(config);
}

Test(config, tells_every_fault_with_its_place_and_path)
{
    static const struct {
        const char *yaml, *faults;
    } cases[] = {
        {"api:\n  lisen: 127.0.0.1:1\n",
         "f.yaml:2:3: api.lisen: is not known; did you mean \"listen\"?\n"},
        {"apii: {}\n", "f.yaml:1:1: apii: is not known; did you mean \"api\"?\n"},
        {"xyzzy: 1\n", "f.yaml:1:1: xyzzy: is not known\n"},
        {"api: {listen: 0.0.0.0:80}\n", "f.yaml:1:15: api.listen: \"0.0.0.0:80\" is not a loopback "
                                        "address: set api.tls (certFile, "
                                        "keyFile), or listen on 127.0.0.1\n"},
        {"api: {listen: '[::]:80'}\n",
         "f.yaml:1:15: api.listen: \"[::]:80\" is not a loopback address: set api.tls (certFile, "
         "keyFile), or listen on 127.0.0.1\n"},
        {"api: {listen: 127.0.0.1}\n",
         "f.yaml:1:15: api.listen: must be ADDRESS:PORT, as in \"127.0.0.1:8080\" or "
         "\"[::1]:8080\"\n"},
        {"api: {listen: true}\n", "f.yaml:1:15: api.listen: must be a string, not true or false\n"},
        {"api: {listen: 7070}\n", "f.yaml:1:15: api.listen: must be a string, not a number\n"},
        {"api: {key: short}\n",
         "f.yaml:1:12: api.key: must be empty or at least 16 visible ASCII characters without "
         "spaces\n"},
        {"api: {tls: {certFile: /c}}\n", "f.yaml:1:7: api.tls.keyFile: is required\n"
                                         "f.yaml:1:23: api.tls.certFile: /c can't be read: No such "
                                         "file or directory\n"},
        {"api: 5\n", "f.yaml:1:6: api: must be an object, not a number\n"},
        {"api: [1]\n", "f.yaml:1:6: api: must be an object, not a list\n"},
        {"log: {level: inf}\n",
         "f.yaml:1:14: log.level: \"inf\" is none of: debug, info, warn, error; did you mean "
         "\"info\"?\n"},
        {"log: {format: yes}\n", "f.yaml:1:15: log.format: \"yes\" is none of: auto, json, text\n"},
        {"proxy: {workers: '4'}\n",
         "f.yaml:1:18: proxy.workers: must be a whole number, not a string\n"},
        {"proxy: {workers: 4.5}\n",
         "f.yaml:1:18: proxy.workers: must be a whole number, not a fraction\n"},
        {"proxy: {workers: 257}\n", "f.yaml:1:18: proxy.workers: must be from 0 to 256\n"},
        {"proxy: {linger: soon}\n", "f.yaml:1:17: proxy.linger: is no duration: \"500ms\", "
                                    "\"1m30s\" or seconds as a number\n"},
        {"proxy: {certificates: {}}\n",
         "f.yaml:1:23: proxy.certificates: must be a list, not an object\n"},
        {"proxy: {user: 'a b'}\n", "f.yaml:1:15: proxy.user: must be the name of a user\n"},
        {"stateDir: state\n", "f.yaml:1:11: stateDir: must be an absolute path\n"},
        {"stateDir: ''\n",
         "f.yaml:1:11: stateDir: must be an absolute path of at most 400 bytes\n"},
        {"store: {plugin: ../x}\n", "f.yaml:1:17: store.plugin: must be 1 to 63 of a-z, 0-9 and "
                                    "'-', beginning and ending with "
                                    "a letter or digit\n"},
        {"plugins: {path: [lib]}\n",
         "f.yaml:1:17: plugins.path: must hold absolute paths, not \"lib\"\n"},
        {"runtime: {allowCapabilities: [NET_RAW, CAP_CHOWN, NET_RWA]}\n",
         "f.yaml:1:40: runtime.allowCapabilities[1]: \"CAP_CHOWN\" is no capability; did you mean "
         "\"CHOWN\"?\n"
         "f.yaml:1:51: runtime.allowCapabilities[2]: \"NET_RWA\" is no capability; did you mean "
         "\"NET_RAW\"?\n"},
        {"node: {suspectAfter: 10s, lostAfter: 10s}\n",
         "f.yaml:1:38: node.lostAfter: must be longer than node.suspectAfter\n"},
        {"node: {labels: {a: 1}}\n",
         "f.yaml:1:20: node.labels.a: must be a string, not a number\n"},
        {"scheduler: {config: {spread: 1}}\n",
         "f.yaml:1:30: scheduler.config.spread: must be an object: the plugin's settings\n"},
        {"events: {limit: 5}\nlog: {level: 7}\n",
         "f.yaml:1:17: events.limit: must be from 100 to 1000000\n"
         "f.yaml:2:14: log.level: must be a word, not a number\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_faults(cases[i].yaml, NULL, cases[i].faults);
}

Test(config, a_syntax_fault_is_the_only_one_and_has_no_path)
{
    static const struct {
        const char *yaml, *faults;
    } cases[] = {
        {"api: {listen: &a 127.0.0.1:1}\n", "f.yaml:1:15: anchors are not allowed\n"},
        {"api: *a\n", "f.yaml:1:6: aliases are not allowed\n"},
        {"api: !!map {}\n", "f.yaml:1:6: tags are not allowed\n"},
        {"stateDir: !!str 5\n", "f.yaml:1:11: tags are not allowed\n"},
        {"log: {}\nlog: {}\n", "f.yaml:2:1: the key \"log\" is given twice\n"},
        {"? [a]\n: 1\n", "f.yaml:1:3: a key must be plain text\n"},
        {"--- {}\n--- {}\n", "f.yaml:2:1: only one document is allowed\n"},
        {"[1]\n", "f.yaml:1:1: must be a mapping of settings\n"},
        {"words\n", "f.yaml:1:1: must be a mapping of settings\n"},
        {"proxy: {workers: 99999999999999999999}\n", "f.yaml:1:18: the number is too large\n"},
        {"proxy: {workers: 1e999}\n", "f.yaml:1:18: the number is too large\n"},
        {"stateDir: \"/a\\0b\"\n", "f.yaml:1:11: a NUL character is not allowed\n"},
        {"\"a\\0b\": 1\n", "f.yaml:1:1: a NUL character is not allowed\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_faults(cases[i].yaml, NULL, cases[i].faults);
}

Test(config, what_is_no_yaml_is_told_with_line_and_column)
{
    static const char *const broken[] = {"a: [1,\n b: 2",
                                         "a:\n\tb: 1\n",
                                         "a: 'x\n",
                                         "a: b: c\n",
                                         "a: \"\\q\"\n",
                                         "a: \xff\xfe\n",
                                         "a: \xed\xa0\x80\n",
                                         "a: \x01\n",
                                         "%YAML 9\n---\n",
                                         "{a: 1}}\n",
                                         "a: 1\n b: 2\n",
                                         ("\xff\xfe"
                                          "a\x00:\x00")};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        CLEANUP(text_finish) struct text faults = {0};
        struct config *config = load(broken[i], NULL);
        int line = 0, column = 0, end = 0;
        config_write_faults(config, &faults);
        cr_expect_eq(config_fault_count(config), 1, "%zu: %s", i, text_string(&faults));
        cr_expect(sscanf(text_string(&faults), "f.yaml:%d:%d: is not YAML: %n", &line, &column,
                         &end) == 2 &&
                      end && line > 0 && column > 0,
                  "%zu: %s", i, text_string(&faults));
        config_destroy(config);
    }
}

Test(config, depth_and_size_are_bounded)
{
    char *deep = malloc(200001), *large = malloc((1 << 20) + 2);
    memset(deep, '[', 200000);
    deep[200000] = 0;
    expect_faults(deep, NULL, "f.yaml:1:33: is nested too deep\n");
    memset(large, '#', (1 << 20) + 1);
    large[(1 << 20) + 1] = 0;
    expect_faults(large, NULL, "f.yaml:1:1: the file is larger than 1 MiB\n");
    free(deep);
    free(large);
}

Test(config, yes_no_and_on_are_words_and_not_booleans)
{
    struct config *config =
        load("runtime: {config: {a: yes, b: true, c: ~, d: 0x1f, e: 0o17, f: -7, g: 1.5, h: '1',"
             " i: 1.2.3, j: +3, k: .5, l: 1e3, m: 0b1, n: NULL, o: '', p: .}}\n",
             NULL);
    cr_assert_eq(config_fault_count(config), 0);
    cr_assert_str_eq(config->runtime.use.config,
                     "{\"a\":\"yes\",\"b\":true,\"c\":null,\"d\":31,\"e\":15,\"f\":-7,\"g\":1.5,"
                     "\"h\":\"1\",\"i\":\"1.2.3\",\"j\":3,\"k\":0.5,\"l\":1000.0,\"m\":\"0b1\","
                     "\"n\":null,\"o\":\"\",\"p\":\".\"}");
    config_destroy(config);
}

/* ---- the environment --------------------------------------------------------------------------
 */

Test(config, variables_override_the_file)
{
    static const char *const environment[] = {"PATH=/bin",
                                              "ORCHD_STATE_DIR=/tmp/y",
                                              "ORCHD_API_LISTEN=127.0.0.1:1",
                                              "ORCHD_API_KEY=12345678901234567890",
                                              "ORCHD_API_MAX_CONNECTIONS_PER_ADDRESS=3",
                                              "ORCHD_PLUGINS_PATH=/a,/b",
                                              "ORCHD_RUNTIME_ALLOW_CAPABILITIES=[NET_RAW]",
                                              "ORCHD_RUNTIME_PLUGIN=simulated",
                                              "ORCHD_RUNTIME_CONFIG_PULL_MS=5",
                                              "ORCHD_RUNTIME_CONFIG_ENDPOINT=unix:///x",
                                              "ORCHD_SCHEDULER_CONFIG={spread: {weight: 2}}",
                                              "ORCHD_NODE_LABELS=zone=a,rack=7",
                                              "ORCHD_NODE_RESERVED_CPU=0.25",
                                              "ORCHD_PROXY_LINGER=0",
                                              "ORCHD_BALANCER_DEFAULT=least-connections",
                                              NULL};
    struct config *config =
        load("stateDir: /tmp/x\nruntime: {config: {pullMs: 1, cpu: 2}}\n", environment);
    CLEANUP(text_finish) struct text faults = {0};
    config_write_faults(config, &faults);
    cr_assert_str_eq(text_string(&faults), "");
    cr_assert_str_eq(config->state_dir, "/tmp/y");
    cr_assert_str_eq(config->api.listen, "127.0.0.1:1");
    cr_assert_str_eq(config->api.key, "12345678901234567890");
    cr_assert_eq(config->api.max_connections_per_address, 3);
    cr_assert_eq(config->plugin_path.count, 2);
    cr_assert_eq(config->runtime.allow_capabilities.count, 1);
    cr_assert_str_eq(config->runtime.use.config,
                     "{\"cpu\":2,\"endpoint\":\"unix:///x\",\"pullMs\":5}");
    cr_assert_str_eq(config->scheduler.config, "{\"spread\":{\"weight\":2}}");
    cr_assert_str_eq(map_get(&config->node.labels, "rack"), "7");
    cr_assert_eq(config->node.reserved.cpu_millis, 250);
    cr_assert_eq(config->proxy.linger_ns, 0);
    cr_assert_str_eq(config->balancer.standard, "least-connections");
    config_destroy(config);
}

Test(config, faults_of_variables_name_them)
{
    static const struct {
        const char *variable, *faults;
    } cases[] = {
        {"ORCHD_API_LISEN=1", "environment ORCHD_API_LISEN: no setting has that name; did you mean "
                              "ORCHD_API_LISTEN?\n"},
        {"ORCHD_=1", "environment ORCHD_: no setting has that name\n"},
        {"ORCHD_API=1", "environment ORCHD_API: no setting has that name\n"},
        {"ORCHD_API_LISTEN=0.0.0.0:1",
         "environment ORCHD_API_LISTEN: api.listen: \"0.0.0.0:1\" is not a loopback address: set "
         "api.tls (certFile, keyFile), or listen on 127.0.0.1\n"},
        {"ORCHD_PROXY_WORKERS=many",
         "environment ORCHD_PROXY_WORKERS: proxy.workers: must be a whole number, not a string\n"},
        {"ORCHD_PROXY_WORKERS=", "environment ORCHD_PROXY_WORKERS: proxy.workers: must be a whole "
                                 "number, not null\n"},
        {"ORCHD_RUNTIME_CONFIG=[", NULL},
        {"ORCHD_RUNTIME_CONFIG=5",
         "environment ORCHD_RUNTIME_CONFIG: runtime.config: must be an object, not a number\n"},
        {"ORCHD_STATE_DIR=\xff", "environment ORCHD_STATE_DIR: stateDir: is not UTF-8\n"},
        {"ORCHD_API_TLS_CERT_FILE=/none",
         "environment ORCHD_API_TLS_CERT_FILE: api.tls.keyFile: is required\n"
         "environment ORCHD_API_TLS_CERT_FILE: api.tls.certFile: /none can't be read: No such file "
         "or directory\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const environment[] = {cases[i].variable, NULL};
        CLEANUP(text_finish) struct text faults = {0};
        struct config *config = load("", environment);
        config_write_faults(config, &faults);
        if (cases[i].faults)
            cr_expect_str_eq(text_string(&faults), cases[i].faults, "%s: got %s", cases[i].variable,
                             text_string(&faults));
        else
            cr_expect(config_fault_count(config) == 1 &&
                          text_starts_with(text_string(&faults),
                                           "environment ORCHD_RUNTIME_CONFIG: runtime.config: is "
                                           "not YAML: "),
                      "%s", text_string(&faults));
        config_destroy(config);
    }
}

/* ---- printing ---------------------------------------------------------------------------------
 */

static bool has_line(const struct text *text, const char *line)
{
    const char *found = strstr(text_string(text), line);
    return found && (found == text->data || found[-1] == '\n') && found[strlen(line)] == '\n';
}

Test(config, printing_names_the_origin_of_each_value)
{
    static const char *const environment[] = {"ORCHD_LOG_LEVEL=warn",
                                              "ORCHD_RUNTIME_CONFIG_HTTP=true", NULL};
    CLEANUP(text_finish) struct text printed = {0};
    struct config *config = load("api:\n"
                                 "  key: hush-hush-hush-hush\n"
                                 "runtime:\n"
                                 "  config:\n"
                                 "    endpoint: unix:///x\n"
                                 "    registry: {user: me, password: hush, list: [{token: hush}]}\n"
                                 "node: {labels: {zone: a}}\n",
                                 environment);
    config_print(config, &printed);
    static const char *const lines[] = {
        "stateDir: \"/var/lib/orchestrator\" # default",
        "  level: \"warn\" # environment ORCHD_LOG_LEVEL",
        "  format: \"auto\" # default",
        "  key: \"\" # f.yaml:2, not shown",
        "  tls: null # default",
        "    endpoint: \"unix:///x\" # f.yaml:5",
        "      user: \"me\" # f.yaml:6",
        "      password: \"\" # f.yaml:6, not shown",
        "      list: [{}] # f.yaml:6",
        "    http: true # environment ORCHD_RUNTIME_CONFIG_HTTP",
        "  labels: {\"zone\":\"a\"} # f.yaml:7",
        "  suspectAfter: \"3s\" # default",
        "    memory: \"256Mi\" # default",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cr_expect(has_line(&printed, lines[i]), "no line <%s> in\n%s", lines[i],
                  text_string(&printed));
    cr_assert_null(strstr(text_string(&printed), "hush"));
    config_destroy(config);
}

Test(config, what_is_printed_reads_back_as_the_same)
{
    CLEANUP(text_finish) struct text printed = {0}, before = {0}, after = {0};
    struct config *config = load(
        "stateDir: \"/tmp/a # b\\u00e4\"\nruntime: {config: {\"1\": [a, {b: c}], 'x: y': null}}\n"
        "plugins: {path: [/a, '/b: c']}\nproxy: {linger: 90}\n",
        NULL);
    cr_assert_eq(config_fault_count(config), 0);
    config_print(config, &printed);
    struct config *again = load(text_string(&printed), NULL);
    schema_write(&config_type, config, SCHEMA_DECLARED, &before);
    schema_write(&config_type, again, SCHEMA_DECLARED, &after);
    cr_assert_eq(config_fault_count(again), 0, "%s", text_string(&printed));
    cr_assert_str_eq(text_string(&before), text_string(&after));
    config_destroy(config);
    config_destroy(again);
}

Test(config, describes_itself_as_json_without_secrets)
{
    CLEANUP(text_finish) struct text described = {0};
    struct config *config =
        load("api: {key: hush-hush-hush-hush}\nruntime: {config: {a: {b: 1}}}\n", NULL);
    config_describe(config, &described);
    json_t *object = json_loads(text_string(&described), JSON_REJECT_DUPLICATES, NULL), *item;
    size_t index, seen = 0;
    cr_assert(object, "%s", text_string(&described));
    json_array_foreach(json_object_get(object, "items"), index, item)
    {
        const char *path = json_string_value(json_object_get(item, "path"));
        if (strcmp(path, "api.key") == 0)
            seen += json_is_null(json_object_get(item, "value"));
        if (strcmp(path, "runtime.config.a.b") == 0)
            seen += json_integer_value(json_object_get(item, "value")) == 1 &&
                    strcmp(json_string_value(json_object_get(item, "origin")), "f.yaml:2") == 0;
    }
    cr_assert_eq(seen, 2);
    cr_assert_null(strstr(text_string(&described), "hush"));
    json_decref(object);
    config_destroy(config);
}

Test(config, no_bytes_of_a_file_end_the_program)
{
    static const char sample[] =
        "api: {listen: 127.0.0.1:7070, tls: null}\nruntime:\n  config: {a: "
        "[1, {b: \"x\"}], c: >\n    text}\n";
    char bytes[sizeof sample];
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 5000; round++) {
        memcpy(bytes, sample, sizeof sample);
        for (int i = 0; i < 4; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            bytes[seed % (sizeof sample - 1)] = "{}[]:,-#&*!|>'\"%@ \n\t\0\xff"[(seed >> 32) % 22];
        }
        CLEANUP(text_finish) struct text text = {0};
        struct config *config = config_load_bytes("f", bytes, sizeof sample - 1, NULL);
        config_write_faults(config, &text);
        config_print(config, &text);
        cr_assert(text_is_utf8(text.data, text.length));
        config_destroy(config);
    }
}
