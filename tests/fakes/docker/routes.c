#include "fakes/docker/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is(const struct exchange *exchange, const char *method, const char *path)
{
    return strcmp(exchange->method, method) == 0 && strcmp(exchange->path, path) == 0;
}

static void info(struct exchange *exchange)
{
    reply_json(exchange, 200,
               json_pack("{s:i, s:I, s:s, s:b, s:b, s:b, s:b}", "NCPU", 4, "MemTotal",
                         (json_int_t)16 << 30, "ServerVersion", "20.10.24", "CpuCfsPeriod", 1,
                         "CpuCfsQuota", 1, "MemoryLimit", 1, "PidsLimit", 1));
}

/* "/containers/WORD/ACTION", "/exec/ID/ACTION"; false: another path. */
static bool split(const char *path, const char *prefix, char word[200], char action[40])
{
    size_t length = strlen(prefix);
    if (strncmp(path, prefix, length) != 0)
        return false;
    action[0] = 0;
    return sscanf(path + length, "%199[^/]/%39s", word, action) >= 1;
}

/* "/images/NAME/json": names hold slashes. */
static bool is_image_path(const char *path, char reference[400])
{
    size_t length = strlen(path);
    if (strncmp(path, "/images/", 8) != 0 || length < 14 || strcmp(path + length - 5, "/json") != 0)
        return false;
    snprintf(reference, 400, "%.*s", (int)(length - 13), path + 8);
    return true;
}

void route(struct exchange *exchange)
{
    char word[200], action[40], reference[400];
    struct fake_docker *fake = exchange->fake;
    if (control_route(exchange))
        return;
    pthread_mutex_lock(&fake->lock);
    if (is(exchange, "GET", "/_ping") || is(exchange, "HEAD", "/_ping")) {
        exchange->status = 200;
        exchange->reply = strdup("OK");
    } else if (is(exchange, "GET", "/info")) {
        info(exchange);
    } else if (is(exchange, "GET", "/containers/json")) {
        handle_list(exchange);
    } else if (is(exchange, "POST", "/containers/create")) {
        handle_create(exchange);
    } else if (is(exchange, "POST", "/images/create")) {
        handle_pull(exchange);
    } else if (is(exchange, "GET", "/events")) {
        handle_events(exchange);
    } else if (is_image_path(exchange->path, reference)) {
        handle_image(exchange, reference);
    } else if (split(exchange->path, "/containers/", word, action)) {
        handle_container(exchange, word, action);
    } else if (split(exchange->path, "/exec/", word, action)) {
        handle_exec(exchange, word, action);
    } else {
        reply_error(exchange, 404, "page not found");
    }
    pthread_mutex_unlock(&fake->lock);
}
