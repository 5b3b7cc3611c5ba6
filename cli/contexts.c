#include "contexts.h"

#include "terminal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_server[] = "http://127.0.0.1:7070";
static const char local_key_file[] = "/var/lib/orchestrator/api-key";

static const char *file_path(struct cli *cli)
{
    const char *given = getenv("ORCH_CONFIG"), *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (given && *given)
        return given;
    if (base && *base)
        return arena_format(&cli->arena, "%s/orchctl/contexts.json", base);
    return arena_format(&cli->arena, "%s/.config/orchctl/contexts.json", home ? home : "");
}

json_t *contexts_read(struct cli *cli)
{
    const char *path = file_path(cli);
    struct stat facts;
    json_error_t fault;
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return json_object();
    if (!file || fstat(fileno(file), &facts) != 0) {
        complain(STATUS_FAILED, NULL, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    json_t *contexts = NULL;
    if (facts.st_mode & 077) {
        complain(STATUS_FAILED, arena_format(&cli->arena, "chmod 600 %s", path),
                 "%s holds keys, and others may read or write it (mode %04o)", path,
                 facts.st_mode & 07777U);
    } else {
        contexts = json_loadf(file, JSON_REJECT_DUPLICATES, &fault);
        if (!json_is_object(contexts)) {
            complain(STATUS_FAILED, "mend it, or remove it and use \"orchctl context set\"",
                     "%s:%d:%d: %s", path, contexts ? 1 : fault.line, contexts ? 1 : fault.column,
                     contexts ? "must be a JSON object" : fault.text);
            json_decref(contexts);
            contexts = NULL;
        }
    }
    fclose(file);
    return contexts;
}

static bool make_folder_of(const char *path)
{
    CLEANUP(memory_free_pointer) char *folder = memory_strdup(path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

bool contexts_write(struct cli *cli, const json_t *contexts)
{
    const char *path = file_path(cli);
    const char *next = arena_format(&cli->arena, "%s.%ld.new", path, (long)getpid());
    char *dump = json_dumps(contexts, JSON_INDENT(2));
    bool done = false;
    int file =
        make_folder_of(path) ? open(next, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        size_t length = strlen(dump);
        done = write(file, dump, length) == (ssize_t)length && write(file, "\n", 1) == 1 &&
               fsync(file) == 0;
        done = close(file) == 0 && done && rename(next, path) == 0;
        if (!done)
            unlink(next);
    }
    if (!done)
        complain(STATUS_FAILED, NULL, "cannot write %s: %s", path, strerror(errno));
    free(dump);
    return done;
}

/* -- resolving -- */

static const char *read_key_file(struct cli *cli, const char *path)
{
    char key[1024];
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    size_t length = fread(key, 1, sizeof key - 1, file);
    fclose(file);
    while (length && isspace((unsigned char)key[length - 1]))
        length--;
    return length ? arena_strndup(&cli->arena, key, length) : NULL;
}

/* "127.0.0.1:7070", "http://host", "https://host/", "unix:///run/x.sock". */
static bool set_url(struct cli *cli, struct server_address *address, const char *given)
{
    if (text_starts_with(given, "unix:")) {
        address->socket = given + 5 + (text_starts_with(given, "unix://") ? 2 : 0);
        address->url = "http://localhost";
        return *address->socket == '/' ||
               complain(0, NULL, "%s: the path of a socket begins with a slash", given);
    }
    if (!strstr(given, "://"))
        given = arena_format(&cli->arena, "http://%s", given);
    if (!text_starts_with(given, "http://") && !text_starts_with(given, "https://"))
        return complain(0, "for example: https://host:7070 or unix:///run/orchestrator.sock",
                        "%s is no http, https or unix URL", given);
    size_t length = strlen(given);
    while (given[length - 1] == '/')
        length--;
    address->url = arena_strndup(&cli->arena, given, length);
    return true;
}

static bool is_local(const struct server_address *address)
{
    static const char *const hosts[] = {"127.", "localhost", "[::1]"};
    const char *host = strstr(address->url, "://");
    for (size_t i = 0; host && i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t length = strlen(hosts[i]);
        if (strncmp(host + 3, hosts[i], length) == 0 &&
            (!host[3 + length] || host[3 + length] == ':' || hosts[i][length - 1] == '.'))
            return strcspn(host + 3, "@") == strlen(host + 3);
    }
    return address->socket != NULL;
}

/* The context asked for by name, else the current one; NULL with *missing when the name is wrong.
 */
static const json_t *context_of(struct cli *cli, const json_t *contexts, bool *missing)
{
    const char *name = option_value(cli, "context");
    name = name ? name : getenv("ORCH_CONTEXT");
    bool asked = name && *name;
    if (!asked)
        name = json_string_value(json_object_get(contexts, "current"));
    const json_t *found =
        name ? json_object_get(json_object_get(contexts, "contexts"), name) : NULL;
    *missing = asked && !found;
    if (*missing)
        complain(STATUS_FAILED, "orchctl context ls lists them", "there is no context \"%s\"",
                 name);
    return found;
}

static const char *copy(struct cli *cli, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && *text ? arena_strdup(&cli->arena, text) : NULL;
}

static bool find_url(struct cli *cli, struct server_address *address, const char *of_context)
{
    const char *environment = getenv("ORCH_SERVER");
    const char *option = option_value(cli, "server");
    bool asked = option_given(cli, "context");
    address->origin = "the default";
    if (option) {
        address->origin = "--server";
    } else if (environment && *environment && !asked) {
        option = environment;
        address->origin = "ORCH_SERVER";
    } else if (of_context) {
        option = of_context;
        address->origin = "the context";
    }
    return set_url(cli, address, option ? option : default_server);
}

/* A context's key goes only to that context's server, the local daemon's only to this host. */
static bool find_key(struct cli *cli, struct server_address *address, const json_t *context)
{
    const char *file = option_value(cli, "key-file"), *environment = getenv("ORCH_API_KEY");
    address->key = option_value(cli, "key");
    if (!address->key && file) {
        address->key = read_key_file(cli, file);
        if (!address->key)
            return complain(0, NULL, "cannot read a key from %s", file);
    }
    if (!address->key && environment && *environment && !option_given(cli, "context"))
        address->key = environment;
    if (!address->key && context && strcmp(address->origin, "the context") == 0)
        address->key = copy(cli, context, "key");
    if (!address->key && is_local(address))
        address->key = read_key_file(cli, local_key_file);
    return true;
}

bool contexts_resolve(struct cli *cli, struct server_address *address)
{
    bool missing;
    json_t *contexts = contexts_read(cli);
    if (!contexts)
        return false;
    const json_t *context = context_of(cli, contexts, &missing);
    bool fine = !missing && find_url(cli, address, copy(cli, context, "server")) &&
                find_key(cli, address, context);
    const char *ca_file = option_value(cli, "ca-file");
    address->ca_file = ca_file ? ca_file : copy(cli, context, "caFile");
    json_decref(contexts);
    return fine;
}
