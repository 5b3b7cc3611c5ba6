/* Images. Of names that the registry does not have, does not give and can't be asked about, see
 * `pull_error`. */
#include "fakes/docker/impl.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_of(const char *reference, char name[200])
{
    const char *slash = strrchr(reference, '/');
    size_t length = (size_t)(slash ? slash - reference : 0);
    length += strcspn(reference + length, ":@");
    snprintf(name, 200, "%.*s", (int)length, reference);
}

static bool is_image(const struct fake_image *image, const char *reference)
{
    char pinned[300], name[200];
    name_of(image->reference, name);
    snprintf(pinned, sizeof pinned, "%s@%s", name, image->digest);
    return strcmp(image->reference, reference) == 0 || strcmp(image->id, reference) == 0 ||
           (!image->local && strcmp(pinned, reference) == 0);
}

struct fake_image *image_find(struct fake_docker *fake, const char *reference)
{
    struct fake_image *image = fake->images;
    while (image && !is_image(image, reference))
        image = image->next;
    return image;
}

static void add(struct fake_docker *fake, const char *reference, bool local)
{
    char hex[65];
    if (image_find(fake, reference))
        return;
    struct fake_image *image = calloc(1, sizeof *image);
    if (!image)
        abort();
    image->reference = strdup(reference);
    image->local = local;
    make_id(fake, hex);
    snprintf(image->id, sizeof image->id, "sha256:%s", hex);
    make_id(fake, hex);
    const char *digest = strchr(reference, '@');
    snprintf(image->digest, sizeof image->digest, digest ? "%.71s" : "sha256:%s",
             digest ? digest + 1 : hex);
    image->next = fake->images;
    fake->images = image;
}

void fake_docker_image(struct fake_docker *fake, const char *reference, bool local)
{
    pthread_mutex_lock(&fake->lock);
    add(fake, reference, local);
    pthread_mutex_unlock(&fake->lock);
}

void handle_image(struct exchange *exchange, const char *reference)
{
    const struct fake_image *image = image_find(exchange->fake, reference);
    char name[200], pinned[300];
    if (!image) {
        reply_error(exchange, 404, "No such image: %s", reference);
        return;
    }
    name_of(image->reference, name);
    snprintf(pinned, sizeof pinned, "%s@%s", name, image->digest);
    reply_json(exchange, 200,
               image->local ? json_pack("{s:s, s:[s], s:[]}", "Id", image->id, "RepoTags",
                                        image->reference, "RepoDigests")
                            : json_pack("{s:s, s:[s], s:[s]}", "Id", image->id, "RepoTags",
                                        image->reference, "RepoDigests", pinned));
}

static bool pull_error(struct exchange *exchange, const char *name, const char *reference)
{
    if (fnmatch("missing/*", name, 0) == 0)
        reply_error(exchange, 404, "manifest for %s not found: manifest unknown: manifest unknown",
                    reference);
    else if (fnmatch("denied/*", name, 0) == 0)
        reply_error(exchange, 404,
                    "pull access denied for %s, repository does not exist or may require 'docker "
                    "login': denied: requested access to the resource is denied",
                    name);
    else if (fnmatch("offline/*", name, 0) == 0)
        reply_error(exchange, 500,
                    "Get \"https://registry.example/v2/\": dial tcp: lookup registry.example: no "
                    "such host");
    else
        return false;
    return true;
}

static void stream_pull(struct exchange *exchange, const char *reference)
{
    static const char *const lines[] = {
        "{\"status\":\"Pulling from library\",\"id\":\"1.0\"}\r\n",
        ("{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},"
         "\"progress\":\"[=>] 5B/10B\",\"id\":\"0123456789ab\"}\r\n"),
        "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"0123456789ab\"}\r\n",
        "{\"status\":\"Status: Downloaded newer image\"}\r\n"};
    bool sent = http_begin_chunked(exchange, "application/json");
    for (size_t i = 0; sent && i < sizeof lines / sizeof lines[0]; i++)
        sent = http_chunk(exchange, lines[i], strlen(lines[i]));
    pthread_mutex_lock(&exchange->fake->lock);
    add(exchange->fake, reference, strncmp(reference, "local/", 6) == 0);
    pthread_mutex_unlock(&exchange->fake->lock);
    http_end_chunked(exchange);
}

void handle_pull(struct exchange *exchange)
{
    char *name = query_value(exchange, "fromImage"), *tag = query_value(exchange, "tag");
    char reference[400];
    snprintf(reference, sizeof reference, "%s%s%s", name ? name : "",
             tag && strncmp(tag, "sha256:", 7) == 0 ? "@" : ":", tag ? tag : "");
    if (!name || !tag || !*tag) {
        reply_error(exchange, 400, "neither tag nor digest: all tags would be pulled");
    } else if (!pull_error(exchange, name, reference)) {
        pthread_mutex_unlock(&exchange->fake->lock);
        if (!fault_stream(exchange, "application/json"))
            stream_pull(exchange, reference);
        pthread_mutex_lock(&exchange->fake->lock);
    }
    free(name);
    free(tag);
}
