/* What a certificate and its key are refused for, and in which words. */
#include "base/key_pair.h"
#include "pair_files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HOUR = 3600 };

static struct pair_files mine, other;
static struct key_pair pair;
static struct error error;

static void prepare(void)
{
    mine = pair_files_make("mine.test", 24 * HOUR);
    other = pair_files_make("other.test", 24 * HOUR);
}

static void finish(void)
{
    key_pair_finish(&pair);
    pair_files_remove(&mine);
    pair_files_remove(&other);
}
TestSuite(key_pair, .init = prepare, .fini = finish);

static void expect_fault(const char *certificate, const char *key, bool of_key, const char *words)
{
    error = (struct error){0};
    cr_assert_not(key_pair_read(&pair, certificate, key, &error));
    cr_expect_null(pair.pem);
    cr_expect_eq(pair.key_is_at_fault, of_key, "%s", error.message);
    cr_expect(strstr(error.message, words), "%s", error.message);
}

static void append(const char *path, const char *from)
{
    char bytes[8192];
    FILE *in = fopen(from, "r"), *out = fopen(path, "a");
    size_t length = fread(bytes, 1, sizeof bytes, in);
    cr_assert_eq(fwrite(bytes, 1, length, out), length);
    fclose(in);
    fclose(out);
}

static void overwrite(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

Test(key_pair, is_read_with_its_key)
{
    cr_assert(key_pair_read(&pair, mine.certificate, mine.key, &error), "%s", error.message);
    cr_assert(memmem(pair.pem, pair.length, "BEGIN CERTIFICATE", 17));
    cr_assert(memmem(pair.pem, pair.length, "PRIVATE KEY", 11));
}

Test(key_pair, knows_its_time)
{
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    cr_assert(key_pair_read(&pair, mine.certificate, mine.key, &error));
    cr_expect(key_pair_check_time(&pair, mine.certificate, now_ms, &error));
    cr_expect_not(key_pair_check_time(&pair, mine.certificate, now_ms + 48 * HOUR * 1000, &error));
    cr_expect(strstr(error.message, "expired on"), "%s", error.message);
    cr_expect_not(key_pair_check_time(&pair, mine.certificate, now_ms - 2 * HOUR * 1000, &error));
    cr_expect(strstr(error.message, "not valid before"), "%s", error.message);
}

Test(key_pair, of_two_that_do_not_belong_together_is_none)
{
    expect_fault(mine.certificate, other.key, true, "does not belong to");
}

Test(key_pair, is_none_without_its_files)
{
    expect_fault("/nowhere.pem", mine.key, false, "can't be read");
    expect_fault(mine.certificate, "/nowhere.key", true, "can't be read");
    expect_fault(mine.folder, mine.key, false, "is no regular file");
    expect_fault(mine.key, mine.key, false, "no certificate in PEM form");
    expect_fault(mine.certificate, mine.certificate, true, "others may read it");
    cr_assert_eq(chmod(mine.certificate, 0600), 0);
    expect_fault(mine.certificate, mine.certificate, true, "no private key in PEM form");
}

Test(key_pair, wants_its_key_kept_from_others)
{
    cr_assert_eq(chmod(mine.key, 0640), 0);
    expect_fault(mine.certificate, mine.key, true, "chmod 600");
}

Test(key_pair, wants_those_that_signed_in_order)
{
    append(mine.certificate, other.certificate);
    expect_fault(mine.certificate, mine.key, false, "is not signed by the next one");
}

Test(key_pair, can_not_ask_for_a_passphrase)
{
    overwrite(mine.key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n"
                        "-----END ENCRYPTED PRIVATE KEY-----\n");
    expect_fault(mine.certificate, mine.key, true, "passphrase");
}
