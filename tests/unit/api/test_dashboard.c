/* Static files: what lies below the folder, and nothing else. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void put(const char *name, const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    fputs(content, file);
    fclose(file);
}

static void setup(void)
{
    struct rig_options options = rig_defaults();
    char yaml[200], path[128];
    strcpy(folder, "/tmp/dashboard-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(yaml, sizeof yaml, "api: {listen: \"127.0.0.1:0\", dashboard: %s/public}\n", folder);
    snprintf(path, sizeof path, "%s/public", folder);
    mkdir(path, 0755);
    strcat(path, "/_next");
    mkdir(path, 0755);
    strcat(path, "/static");
    mkdir(path, 0755);
    put("secret", "SECRET");
    put("public/index.html", "<p>home</p>");
    put("public/nodes.html", "<p>nodes</p>");
    put("public/404.html", "<p>lost</p>");
    put("public/_next/static/a.js", "1;");
    snprintf(path, sizeof path, "%s/public/link", folder);
    cr_assert_eq(symlink("../secret", path), 0);
    options.yaml = yaml;
    rig_start(&options);
}

static void teardown(void)
{
    char command[128];
    rig_stop();
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(dashboard, .init = setup, .fini = teardown, .timeout = 60);

Test(dashboard, files_come_with_their_type_and_without_a_key)
{
    static const struct {
        const char *path, *type, *body;
        int status;
    } cases[] = {{"/", "text/html; charset=utf-8", "<p>home</p>", 200},
                 {"/nodes", "text/html; charset=utf-8", "<p>nodes</p>", 200},
                 {"/nodes.html", "text/html; charset=utf-8", "<p>nodes</p>", 200},
                 {"/_next/static/a.js", "text/javascript; charset=utf-8", "1;", 200},
                 {"/nosuch", "text/html; charset=utf-8", "<p>lost</p>", 404},
                 {"/_next", "text/html; charset=utf-8", "<p>lost</p>", 404}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char scratch[256];
        struct reply reply = ask_plain("GET", cases[i].path, NULL, NULL);
        cr_expect_eq(reply.status, cases[i].status, "%s: %d", cases[i].path, reply.status);
        cr_expect_str_eq(reply.body, cases[i].body);
        cr_expect_str_eq(reply_header(&reply, "Content-Type", scratch), cases[i].type);
        reply_free(&reply);
    }
}

Test(dashboard, pages_are_fenced_in_and_only_unchanging_names_are_cached)
{
    char scratch[256];
    struct reply reply = ask_plain("GET", "/", NULL, NULL);
    cr_expect(strstr(reply_header(&reply, "Content-Security-Policy", scratch), "default-src"));
    cr_expect_str_eq(reply_header(&reply, "Cache-Control", scratch), "no-cache");
    reply_free(&reply);
    reply = ask_plain("GET", "/_next/static/a.js", NULL, NULL);
    cr_expect(strstr(reply_header(&reply, "Cache-Control", scratch), "immutable"));
    reply_free(&reply);
}

Test(dashboard, nothing_outside_the_folder_is_reached)
{
    static const char *const paths[] = {"/link",          "/../secret",         "/%2e%2e/secret",
                                        "/..%2fsecret",   "/./../secret",       "//etc/passwd",
                                        "/%2fetc/passwd", "/link/../index.html"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct reply reply = ask_plain("GET", paths[i], NULL, NULL);
        cr_expect(reply.status >= 400, "%s: %d", paths[i], reply.status);
        cr_expect_not(strstr(reply.body, "SECRET") || strstr(reply.body, "root:"), "%s", paths[i]);
        reply_free(&reply);
    }
}

Test(dashboard, its_paths_are_read_only_and_the_api_is_not_shadowed)
{
    struct reply reply = ask_plain("POST", "/", NULL, NULL);
    cr_expect_eq(reply.status, 404);
    reply_free(&reply);
    reply = ask_plain("GET", "/api/v1/nosuch", NULL, NULL);
    cr_expect_eq(reply.status, 401);
    reply_free(&reply);
    reply = ask_plain("GET", "/healthz", NULL, NULL);
    cr_expect_eq(reply.status, 200);
    reply_free(&reply);
}
