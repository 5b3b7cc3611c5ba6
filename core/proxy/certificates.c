/* What the feed gives to be shown to clients. A service whose certificate is exchanged gets a new
 * view; connections keep what they began with. */
#include "proxy/certificate.h"
#include "base/log.h"
#include "proxy/impl.h"

#include <stdlib.h>
#include <string.h>

static struct named_certificate *find(const struct proxy *proxy, const char *name)
{
    struct named_certificate *named = proxy->certificates;
    while (named && strcmp(certificate_name(named->certificate), name) != 0)
        named = named->next;
    return named;
}

struct certificate *certificates_find(const struct proxy *proxy, const char *name)
{
    const struct named_certificate *named = find(proxy, name);
    return named ? named->certificate : NULL;
}

static void mark_users(struct proxy *proxy, const char *name)
{
    for (struct service *service = proxy->services; service; service = service->hh.next)
        service->changed |= strcmp(service->certificate, name) == 0;
}

void certificates_put(struct proxy *proxy, const char *name, int fd)
{
    struct error error = {0};
    struct named_certificate *named = find(proxy, name);
    struct certificate *made =
        certificate_create(name, fd, named ? named->certificate : NULL, &error);
    if (!made) { /* the daemon has looked at it: this is another version's fault, or memory's */
        LOG_ERROR("a certificate can't be used; the one before stays in force",
                  LOG_STR("error", error.message));
        return;
    }
    if (!named) {
        named = memory_alloc(sizeof *named);
        named->next = proxy->certificates;
        proxy->certificates = named;
    }
    certificate_release(named->certificate);
    named->certificate = made;
    named->stale = false;
    mark_users(proxy, name);
}

void certificates_full(struct proxy *proxy)
{
    for (struct named_certificate *named = proxy->certificates; named; named = named->next)
        named->stale = true;
}

void certificates_drop(struct proxy *proxy, bool all)
{
    for (struct named_certificate **at = &proxy->certificates; *at;) {
        struct named_certificate *named = *at;
        if (!named->stale && !all) {
            at = &named->next;
            continue;
        }
        *at = named->next;
        certificate_release(named->certificate);
        free(named);
    }
}
