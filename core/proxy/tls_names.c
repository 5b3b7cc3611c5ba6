#include "proxy/tls_names.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct item {
    char *host; /* NULL: any */
    struct certificate *certificate;
};
struct tls_names {
    unsigned references;
    size_t count, room;
    struct item *items;
    struct item least; /* `host` is the service's name */
};
enum { ANY_HOST = 1, WILDCARD_HOST = 2, EXACT_HOST = 1 << 16 }; /* ranks; a wildcard's grows */

static void item_finish(struct item *item)
{
    free(item->host);
    certificate_release(item->certificate);
    *item = (struct item){0};
}

static struct item item_make(const char *host, struct certificate *certificate)
{
    return (struct item){.host = host ? memory_strdup(host) : NULL,
                         .certificate = certificate_hold(certificate)};
}

struct tls_names *tls_names_create(void)
{
    struct tls_names *names = memory_alloc(sizeof *names);
    names->references = 1;
    return names;
}

struct tls_names *tls_names_hold(struct tls_names *names)
{
    names->references++;
    return names;
}

void tls_names_clear(struct tls_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        item_finish(&names->items[i]);
    names->count = 0;
    item_finish(&names->least);
}

void tls_names_release(struct tls_names *names)
{
    if (--names->references)
        return;
    tls_names_clear(names);
    free(names->items);
    free(names);
}

static void add(struct tls_names *names, const char *host, struct certificate *certificate)
{
    if (names->count == names->room) {
        names->room = names->room * 2 + 4;
        names->items = memory_resize(names->items, names->room * sizeof *names->items);
    }
    names->items[names->count++] = item_make(host, certificate);
}

void tls_names_add(struct tls_names *names, const char *service, const char *const *hosts,
                   size_t host_count, struct certificate *certificate)
{
    for (size_t i = 0; i < host_count; i++)
        add(names, hosts[i], certificate);
    if (!host_count)
        add(names, NULL, certificate);
    if (!names->least.host || strcmp(service, names->least.host) < 0) {
        item_finish(&names->least);
        names->least = item_make(service, certificate);
    }
}

/* 0: it is another one's. */
static size_t rank(const char *host, const char *name, size_t length)
{
    if (!host)
        return ANY_HOST;
    size_t host_length = strlen(host);
    if (host[0] != '*')
        return length == host_length && strncasecmp(name, host, length) == 0 ? EXACT_HOST : 0;
    size_t end = host_length - 1; /* ".name" */
    return length > end && strncasecmp(name + length - end, host + 1, end) == 0
               ? WILDCARD_HOST + end
               : 0;
}

struct certificate *tls_names_find(const struct tls_names *names, const char *name, size_t length)
{
    struct certificate *best = names->least.certificate;
    size_t best_rank = 0;
    for (size_t i = 0; i < names->count; i++) {
        size_t of_host = rank(names->items[i].host, length ? name : "", length);
        if (of_host > best_rank) {
            best_rank = of_host;
            best = names->items[i].certificate;
        }
    }
    return best;
}
