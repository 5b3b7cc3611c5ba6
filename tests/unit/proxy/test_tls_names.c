/* Which certificate is shown to whom. */
#include "../base/pair_files.h"
#include "base/key_pair.h"
#include "proxy/tls_names.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct tls_names *names;

static struct certificate *make(const char *name)
{
    struct error error = {0};
    struct pair_files files = pair_files_make(name, 3600);
    struct key_pair pair = {0};
    cr_assert(key_pair_read(&pair, files.certificate, files.key, &error), "%s", error.message);
    int fd = memfd_create("pair", MFD_CLOEXEC);
    cr_assert_eq(write(fd, pair.pem, pair.length), (ssize_t)pair.length);
    struct certificate *made = certificate_create(name, fd, NULL, &error);
    cr_assert(made, "%s", error.message);
    close(fd);
    key_pair_finish(&pair);
    pair_files_remove(&files);
    return made;
}

/* It is held by the names alone from then on. */
static void add(const char *service, const char *host, const char *certificate)
{
    struct certificate *made = make(certificate);
    tls_names_add(names, service, &host, host ? 1 : 0, made);
    certificate_release(made);
}

static const char *shown(const char *asked)
{
    struct certificate *found = tls_names_find(names, asked, asked ? strlen(asked) : 0);
    return found ? certificate_name(found) : "none";
}

static void prepare(void)
{
    names = tls_names_create();
}
static void finish(void)
{
    tls_names_release(names);
}
TestSuite(tls_names, .init = prepare, .fini = finish);

Test(tls_names, choose_the_name_itself_then_the_longest_wildcard)
{
    add("a", "*.test", "short");
    add("b", "*.shop.test", "long");
    add("c", "a.shop.test", "exact");
    cr_expect_str_eq(shown("a.shop.test"), "exact");
    cr_expect_str_eq(shown("A.Shop.TEST"), "exact");
    cr_expect_str_eq(shown("b.shop.test"), "long");
    cr_expect_str_eq(shown("shop.test"), "short");
    cr_expect_str_eq(shown("x.y.test"), "short");
}

Test(tls_names, fall_back_to_any_host_then_to_the_least_service)
{
    add("z", "z.test", "z");
    add("m", "m.test", "m");
    cr_expect_str_eq(shown("nobody.test"), "m");
    cr_expect_str_eq(shown(NULL), "m");
    add("y", NULL, "any");
    cr_expect_str_eq(shown("nobody.test"), "any");
    cr_expect_str_eq(shown(NULL), "any");
    cr_expect_str_eq(shown("z.test"), "z");
}

Test(tls_names, of_nobody_show_nothing)
{
    const char *host = "a.test";
    cr_expect_str_eq(shown("a.test"), "none");
    tls_names_add(names, "a", &host, 1, NULL); /* a service whose certificate this node lacks */
    cr_expect_str_eq(shown("a.test"), "none");
    add("b", "b.test", "b");
    cr_expect_str_eq(shown("a.test"), "none");
    tls_names_clear(names);
    cr_expect_str_eq(shown("b.test"), "none");
}

Test(tls_names, stay_as_they_are_for_a_handshake_that_holds_them)
{
    add("a", "a.test", "a");
    struct tls_names *held = tls_names_hold(names);
    tls_names_release(names);
    cr_expect_str_eq(shown("a.test"), "a");
    names = held;
}
