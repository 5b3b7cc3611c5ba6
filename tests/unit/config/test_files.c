/* Files and their modes, in a directory of the test's own. */
#include "config/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], file[96], certificate[96], private_key[96];

static void write_file(const char *path, const char *content, mode_t mode)
{
    FILE *stream = fopen(path, "w");
    cr_assert(stream && fputs(content, stream) >= 0 && fclose(stream) == 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/orch-config-XXXXXX");
    cr_assert(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/f.yaml", folder);
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(private_key, sizeof private_key, "%s/key.pem", folder);
}
static void teardown(void)
{
    unlink(file);
    unlink(certificate);
    unlink(private_key);
    rmdir(folder);
}
TestSuite(files, .init = setup, .fini = teardown);

static void expect(const char *wanted)
{
    CLEANUP(text_finish) struct text faults = {0};
    struct config *config = config_load(file, NULL);
    config_write_faults(config, &faults);
    cr_expect(*wanted ? strstr(text_string(&faults), wanted) != NULL : !faults.length,
              "wanted <%s> got <%s>", wanted, text_string(&faults));
    config_destroy(config);
}

Test(files, a_missing_file_that_was_asked_for_is_a_fault)
{
    expect("/f.yaml: the file can't be read: No such file or directory\n");
}

Test(files, a_folder_or_a_pipe_is_no_configuration)
{
    cr_assert_eq(mkdir(file, 0700), 0);
    expect("the file can't be read: Is a directory");
    cr_assert_eq(rmdir(file), 0);
    cr_assert_eq(mkfifo(file, 0600), 0);
    expect("the file can't be read: it is no regular file");
}

Test(files, one_with_a_key_must_be_its_owner_s_alone)
{
    write_file(file, "api: {key: 0123456789abcdef-}\n", 0644);
    expect("api.key: ");
    expect("chmod 600 ");
    cr_assert_eq(chmod(file, 0640), 0);
    expect("mode 0640");
    cr_assert_eq(chmod(file, 0600), 0);
    expect("");
    write_file(file, "api: {key: ''}\n", 0644);
    expect("");
}

Test(files, a_private_key_must_be_its_owner_s_alone)
{
    char yaml[256];
    snprintf(yaml, sizeof yaml, "api: {listen: 0.0.0.0:7070, tls: {certFile: %s, keyFile: %s}}\n",
             certificate, private_key);
    write_file(file, yaml, 0644);
    write_file(certificate, "c", 0644);
    write_file(private_key, "k", 0644);
    expect("api.tls.keyFile: ");
    cr_assert_eq(chmod(private_key, 0600), 0);
    expect("");
    if (geteuid() == 0) {
        cr_assert_eq(chown(private_key, 12345, 0), 0);
        expect("belongs to another user (uid 12345)");
    }
}

Test(files, loading_writes_nothing)
{
    write_file(file, "stateDir: /tmp/orch-config-never-made\n", 0600);
    expect("");
    cr_assert_neq(access("/tmp/orch-config-never-made", F_OK), 0);
}
