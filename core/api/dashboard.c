/* The dashboard's static files: only what lies below its folder, whatever the path or links say. */
#include "api/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILE_BYTES = 16 * 1024 * 1024 };

char *dashboard_find(const char *configured)
{
    char path[PATH_MAX];
    if (configured && *configured)
        return memory_strdup(configured);
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return NULL;
    path[length] = 0;
    for (int i = 0; i < 2; i++) { /* the program's folder, then the one around it */
        char *slash = strrchr(path, '/');
        if (!slash)
            return NULL;
        *slash = 0;
    }
    struct stat found;
    size_t used = strlen(path);
    snprintf(path + used, sizeof path - used, "/share/orchestrator/dashboard");
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode) ? memory_strdup(path) : NULL;
}

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".json", "application/json; charset=utf-8"},
                                           {".txt", "text/plain; charset=utf-8"},
                                           {".svg", "image/svg+xml"},
                                           {".png", "image/png"},
                                           {".ico", "image/x-icon"},
                                           {".woff2", "font/woff2"},
                                           {".webmanifest", "application/manifest+json"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static int open_below(const char *folder, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int directory = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -1;
    int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    close(directory);
    return fd;
}

/* False when it is no plain file of a sensible size. */
static bool read_all(int fd, struct text *out)
{
    struct stat found;
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size > FILE_BYTES)
        return false;
    size_t size = (size_t)found.st_size;
    text_reserve(out, size);
    while (out->length < size) {
        ssize_t got = read(fd, out->data + out->length, size - out->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out->length += (size_t)got;
    }
    return true;
}

static bool take_file(struct exchange *exchange, const char *path, int status)
{
    struct request *request = &exchange->request;
    int fd = open_below(exchange->api->dashboard, path);
    if (fd < 0)
        return false;
    bool read_it = read_all(fd, &request->out);
    close(fd);
    if (!read_it) {
        text_clear(&request->out);
        return false;
    }
    request->content_type = type_of(path);
    request_reply(request, status);
    return true;
}

bool dashboard_reply(struct exchange *exchange)
{
    CLEANUP(text_finish) struct text path = {0};
    const struct uri *uri = &exchange->uri;
    for (size_t i = 0; i < uri->segment_count; i++) {
        if (i && *uri->segments[i])
            text_append_char(&path, '/');
        text_append_string(&path, uri->segments[i]);
    }
    if (!path.length)
        return take_file(exchange, "index.html", 200);
    if (take_file(exchange, path.data, 200))
        return true;
    size_t length = path.length; /* "/nodes" is nodes.html or nodes/index.html, as exported */
    text_append_string(&path, ".html");
    if (take_file(exchange, path.data, 200))
        return true;
    path.length = length;
    text_append_string(&path, "/index.html");
    return take_file(exchange, path.data, 200) || take_file(exchange, "404.html", 404);
}
