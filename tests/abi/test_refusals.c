/* What is refused, and in which words. */
#include "registry_fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fixture;

static void setup(void)
{
    fixture_open(&fixture);
}

static void teardown(void)
{
    fixture_close(&fixture);
}

TestSuite(refusals, .init = setup, .fini = teardown, .timeout = 60);

static void expect_refused(const char *name, const char *message)
{
    struct error error = {0};
    cr_assert_null(plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, name, &error));
    const struct plugin_info *info =
        plugin_registry_info(fixture.registry, plugin_registry_count(fixture.registry) - 1);
    cr_expect_str_eq(info->message, message, "%s:\n  got      %s\n  expected %s", name,
                     info->message, message);
    cr_expect_eq(info->state, PLUGIN_REFUSED);
    cr_expect_eq(error.code, ERROR_PLUGIN);
}

#define ID "(org.example.test 1.2.3, SDK 1.0.0)"

Test(refusals, name_every_fault_of_a_manifest_with_both_sides_versions)
{
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"no-symbol", "scheduler-no-symbol.so: exports no orch_plugin_manifest_1: it is no plugin "
                      "of orchestrator 0.1.0"},
        {"wrong-magic", "scheduler-wrong-magic.so: its manifest begins with 0x12345678, not with "
                        "the magic 0x4843524f"},
        {"wrong-loader-abi", "scheduler-wrong-loader-abi.so: made for loader ABI 2; this "
                             "orchestrator 0.1.0 has loader ABI 1"},
        {"small-manifest", "scheduler-small-manifest.so: its manifest has 16 bytes; this "
                           "orchestrator 0.1.0 needs at least 104"},
        {"newer-manifest",
         "scheduler-newer-manifest.so (org.example.test 1.2.3, SDK 1.9.0): its manifest has a "
         "value at offset 112, which is newer than this orchestrator 0.1.0 knows (104 bytes)"},
        {"newer-table",
         "scheduler-newer-table.so " ID ": orch.scheduler/1 \"newer-table\": its table has a value "
         "at offset 48, which is newer than this orchestrator 0.1.0 knows (48 bytes)"},
        {"unknown-major",
         "scheduler-unknown-major.so " ID ": provides orch.scheduler/2 (SDK 1.0.0); this "
         "orchestrator 0.1.0 has orch.scheduler/1: rebuild with SDK 1.x, or use another "
         "orchestrator"},
        {"null-slot", "scheduler-null-slot.so " ID ": orch.scheduler/1 \"null-slot\": the function "
                      "score is missing"},
        {"need-unknown", "scheduler-need-unknown.so " ID ": needs orch.host.quantum/1, which this "
                         "orchestrator 0.1.0 does not offer"},
        {"need-larger", "scheduler-need-larger.so " ID ": needs 4096 bytes of orch.host.log/1; "
                        "this orchestrator 0.1.0 offers 24"},
        {"duplicate-name",
         "scheduler-duplicate-name.so " ID ": provides orch.scheduler/1 \"duplicate-name\" twice"},
        {"other-name", "scheduler-other-name.so " ID ": does not provide orch.scheduler/1 "
                       "\"other-name\", but orch.scheduler/1 \"somebody-else\""},
        {"bad-schema", "scheduler-bad-schema.so " ID
                       ": orch.scheduler/1 \"bad-schema\": its configuration schema: "
                       "weight.multipleOf is a word that this host does not know (docs/abi.md)"},
        {"several-faults",
         "scheduler-several-faults.so " ID ": needs orch.host.quantum/1, which this orchestrator "
         "0.1.0 does not offer; needs 4096 bytes of orch.host.log/1; this orchestrator 0.1.0 "
         "offers 24; orch.scheduler/1 \"several-faults\": the function score is missing; "
         "orch.scheduler/1 \"several-faults\": its configuration schema: type must be a type's "
         "name or a list of them"},
        {"init-fails",
         "scheduler-init-fails.so " ID ": its init failed: the moon is in the wrong phase"},
        {"constructor-hangs",
         "scheduler-constructor-hangs.so: was not loaded within 1s: a constructor hangs"},
        {"constructor-crashes",
         "scheduler-constructor-crashes.so: crashes while being loaded (SIGSEGV)"},
        {"constructor-exits",
         "scheduler-constructor-exits.so: ends the process while being loaded (exit status 3)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refused(cases[i].name, cases[i].message);
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *made(const char *name, const void *bytes, size_t length, mode_t mode)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/scheduler-%s.so", fixture.folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    cr_assert(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && fchmod(fd, mode) == 0);
    close(fd);
    return path;
}

static size_t sound_bytes(char *out, size_t room)
{
    FILE *file = fopen(BAD_PLUGIN_DIR "/scheduler-sound.so", "r");
    cr_assert_not_null(file);
    size_t length = fread(out, 1, room, file);
    fclose(file);
    return length;
}

static char content[4 * 1024 * 1024];

Test(refusals, of_a_file_that_everyone_may_write)
{
    char message[256];
    const char *path = made("open-to-all", content, sound_bytes(content, sizeof content), 0646);
    snprintf(message, sizeof message, "%s: the file can be written by everyone (mode 0646)", path);
    expect_refused("open-to-all", message);
}

Test(refusals, of_a_folder_that_everyone_may_write)
{
    char message[256];
    const char *path = made("sound", content, sound_bytes(content, sizeof content), 0644);
    cr_assert_eq(chmod(fixture.folder, 0777), 0);
    snprintf(message, sizeof message, "%s: its folder %s can be written by everyone (mode 0777)",
             path, fixture.folder);
    expect_refused("sound", message);
}

Test(refusals, of_a_text_file)
{
    made("text", "this is no plugin\n", 18, 0644);
    expect_refused("text", "scheduler-text.so: can't be loaded: file too short");
}

Test(refusals, of_a_truncated_object)
{
    struct error error = {0};
    made("sound", content, sound_bytes(content, sizeof content) / 2, 0644);
    cr_assert_null(plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, "sound", &error));
    cr_assert(strncmp(error.message, "scheduler-sound.so: ", 20) == 0, "%s", error.message);
}

Test(refusals, of_a_symbolic_link)
{
    char path[128], message[256];
    snprintf(path, sizeof path, "%s/scheduler-link.so", fixture.folder);
    cr_assert_eq(symlink(BAD_PLUGIN_DIR "/scheduler-sound.so", path), 0);
    snprintf(message, sizeof message, "%s: is a symbolic link; put the file itself there", path);
    expect_refused("link", message);
}

Test(refusals, of_a_name_that_would_leave_the_folder)
{
    expect_refused("../etc/passwd", "scheduler-../etc/passwd.so: a plugin's name is made of a-z, "
                                    "0-9 and -, at most 63");
}

Test(refusals, say_what_is_missing_and_what_is_near)
{
    struct error error = {0};
    char expected[512];
    cr_assert_null(plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, "sonud", &error));
    snprintf(expected, sizeof expected,
             "there is no scheduler plugin \"sonud\"; did you mean \"sound\"? (searched for "
             "scheduler-sonud.so in %s, %s)",
             fixture.folder, BAD_PLUGIN_DIR);
    cr_assert_str_eq(error.message, expected, "%s", error.message);
    cr_assert_eq(error.code, ERROR_NOT_FOUND);
    cr_assert_eq(plugin_registry_info(fixture.registry, 0)->state, PLUGIN_MISSING);
}

/* ---- what is accepted ------------------------------------------------------------------------ */

Test(refusals, spare_a_sound_plugin_and_one_of_a_newer_sdk_that_uses_nothing_new)
{
    static const char *const names[] = {"sound", "newer-manifest-unused", "need-optional"};
    for (size_t i = 0; i < 3; i++) {
        struct error error = {0};
        struct plugin *plugin =
            plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, names[i], &error);
        cr_assert_not_null(plugin, "%s", error.message);
        cr_assert_eq(plugin_get_info(plugin)->state, PLUGIN_LOADED);
        cr_assert_str_eq(plugin_get_info(plugin)->message, "");
        cr_assert_str_eq(plugin_get_info(plugin)->id, "org.example.test");
        cr_assert_eq(plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, names[i], &error),
                     plugin, "the same one each time");
    }
}

Test(refusals, leave_the_copy_in_the_state_directory_as_the_one_that_is_loaded)
{
    struct error error = {0};
    struct plugin *plugin =
        plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, "sound", &error);
    char path[256], line[512];
    bool mapped = false;
    snprintf(path, sizeof path, "%s/plugins/%s.so", fixture.state, plugin_get_info(plugin)->sha256);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        mapped |= strstr(line, path) != NULL;
    fclose(maps);
    cr_assert(mapped);
    cr_assert_eq(access(path, R_OK), 0);
    plugin_registry_prune(fixture.registry);
    cr_assert_eq(access(path, R_OK), 0, "what is loaded stays");
}

Test(refusals, hand_a_plugin_over_by_a_sealed_descriptor)
{
    struct error error = {0};
    struct plugin *plugin =
        plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, "sound", &error);
    int fd = plugin_open_descriptor(plugin, &error);
    cr_assert_geq(fd, 0, "%s", error.message);
    cr_assert_eq(write(fd, "x", 1), -1, "sealed");
    struct plugin_registry *other = plugin_registry_create(
        &(struct plugin_registry_settings){.environment = &fixture.environment});
    struct plugin *received = plugin_load_descriptor(other, fd, PLUGIN_SCHEDULER, "sound", &error);
    cr_assert_not_null(received, "%s", error.message);
    cr_assert_str_eq(plugin_get_info(received)->sha256, plugin_get_info(plugin)->sha256);
    cr_assert_not_null(plugin_get_table(received));
    plugin_registry_destroy(other);
}

/* ---- peek ------------------------------------------------------------------------------------ */

static char faults[2048];

static void on_fault(void *argument, const char *path, const char *message)
{
    (void)argument;
    snprintf(faults + strlen(faults), sizeof faults - strlen(faults), "%s: %s\n", path, message);
}

static bool peek(const char *name, const char *config)
{
    json_t *value = config ? json_loads(config, JSON_DECODE_ANY, NULL) : NULL;
    faults[0] = 0;
    bool sound = plugin_peek(fixture.registry, PLUGIN_SCHEDULER, name, value, "scheduler.plugin",
                             "scheduler.config", on_fault, NULL);
    json_decref(value);
    return sound;
}

Test(refusals, are_told_by_peek_without_loading_or_writing)
{
    char folder[128];
    cr_assert(peek("sound", "{\"weight\": 3}"), "%s", faults);
    cr_assert(peek("sound", NULL), "%s", faults);
    cr_assert_not(peek("sound", "{\"wieght\": 3, \"weight\": \"x\"}"));
    cr_assert_str_eq(faults, "scheduler.config.wieght: unknown setting; did you mean \"weight\"?\n"
                             "scheduler.config.weight: must be of type integer, not string\n");
    cr_assert_not(peek("null-slot", NULL));
    cr_assert_str_eq(faults, "scheduler.plugin: scheduler-null-slot.so " ID ": orch.scheduler/1 "
                             "\"null-slot\": the function score is missing\n");
    cr_assert_not(peek("constructor-crashes", NULL));
    cr_assert_str_eq(faults, "scheduler.plugin: scheduler-constructor-crashes.so: crashes while "
                             "being loaded (SIGSEGV)\n");
    cr_assert_not(peek("nowhere", NULL));
    snprintf(folder, sizeof folder, "%s/plugins", fixture.state);
    cr_assert_neq(access(folder, F_OK), 0, "nothing was written");
    cr_assert_eq(plugin_registry_count(fixture.registry), 0);
}

Test(refusals, of_settings_name_their_path_and_defaults_are_filled_in)
{
    struct error error = {0};
    struct plugin *plugin =
        plugin_registry_load(fixture.registry, PLUGIN_SCHEDULER, "sound", &error);
    json_t *bad = json_pack("{s:f}", "weight", 1.5);
    char *completed = NULL;
    faults[0] = 0;
    cr_assert_not(plugin_check_config(plugin, bad, "scheduler.config", on_fault, NULL, NULL));
    cr_assert_str_eq(faults, "scheduler.config.weight: must be of type integer, not number\n");
    cr_assert(plugin_check_config(plugin, NULL, "scheduler.config", on_fault, NULL, &completed));
    cr_assert_str_eq(completed, "{}");
    free(completed);
    json_decref(bad);
}
