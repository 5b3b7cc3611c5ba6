/* Certificates with their keys. The proxy has no right to their files, and a key is to lie in as
 * few places as can be: each is kept in memory without a file, handed over as a descriptor. */
#include "proxy/feed_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct feed_certificate *feed_certificates_find(const struct proxy_feed *feed, const char *name)
{
    struct feed_certificate *certificate = feed->certificates;
    while (certificate && strcmp(certificate->name, name) != 0)
        certificate = certificate->next;
    return certificate;
}

static bool write_whole(int fd, const uint8_t *bytes, size_t length)
{
    for (ssize_t written; length; bytes += written, length -= (size_t)written)
        if ((written = write(fd, bytes, length)) <= 0)
            return false;
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
}

static int keep(const void *pem, size_t length, struct error *error)
{
    int fd = memfd_create("certificate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && write_whole(fd, pem, length))
        return fd;
    error_set_errno(error, ERROR_IO, errno, "memory for a certificate");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Those that could not be served for want of it need not wait for their turn. */
static void hurry(struct proxy_feed *feed, const char *name)
{
    for (struct feed_entry *entry = feed->entries; entry; entry = entry->hh.next)
        if (text_equal(entry->service.certificate, name))
            entry->retry_ns = 0;
}

bool proxy_feed_certificate_put(struct proxy_feed *feed, const char *name, const void *pem,
                                size_t length, struct error *error)
{
    int fd = keep(pem, length, error);
    if (fd < 0)
        return false;
    struct feed_certificate *certificate = feed_certificates_find(feed, name);
    if (certificate) {
        close(certificate->fd);
    } else {
        certificate = memory_alloc(sizeof *certificate);
        certificate->name = memory_strdup(name);
        certificate->next = feed->certificates;
        feed->certificates = certificate;
    }
    certificate->fd = fd;
    certificate->dirty = true;
    hurry(feed, name);
    feed->publish_due = true;
    feed_link_pump(feed);
    return true;
}

void feed_certificates_send(struct proxy_feed *feed, bool all)
{
    struct wire_writer packet;
    for (struct feed_certificate *each = feed->certificates; each; each = each->next) {
        if (!each->dirty && !all)
            continue;
        each->dirty = false;
        wire_begin(&packet, WIRE_CERTIFICATE);
        wire_put_text(&packet, each->name);
        channel_send(feed->channel, &packet, &each->fd, 1);
    }
}

void feed_certificates_finish(struct proxy_feed *feed)
{
    while (feed->certificates) {
        struct feed_certificate *certificate = feed->certificates;
        feed->certificates = certificate->next;
        close(certificate->fd);
        free(certificate->name);
        free(certificate);
    }
}
