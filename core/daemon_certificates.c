#include "daemon_certificates.h"
#include "base/clock.h"
#include "base/key_pair.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_NS (5 * NS_PER_SECOND)
#define DAY_MS INT64_C(86400000)
enum { WARN_DAYS = 14, FAULTS_TO_TELL = 2 };

/* Tells one state of a file from another. */
struct mark {
    struct timespec written, changed;
    dev_t device;
    ino_t inode;
    off_t bytes;
};
struct look {
    struct mark marks[2]; /* of certificate and key, before they were read */
    struct key_pair pair;
    struct error error;
    bool read, fine;
};
struct entry {
    const struct config_certificate *settings;
    struct mark marks[2]; /* of what is in force */
    int64_t valid_until_ms, warned_day;
    unsigned faults; /* in a row */
    struct look look;
};
struct daemon_certificates {
    struct loop *loop;
    struct proxy_feed *feed;
    struct loop_timer timer;
    struct loop_job job;
    struct entry *entries;
    uint32_t count;
    int64_t now_ms; /* of the look under way */
    bool looking, forced, again, ending;
};

/* -- on the pool -- */

static struct mark mark_of(const char *file)
{
    struct mark mark;
    struct stat status;
    memset(&mark, 0, sizeof mark); /* it is compared as bytes */
    if (stat(file, &status) == 0) {
        mark.written = status.st_mtim;
        mark.changed = status.st_ctim;
        mark.device = status.st_dev;
        mark.inode = status.st_ino;
        mark.bytes = status.st_size;
    }
    return mark;
}

static void look_at(struct entry *entry, bool forced, int64_t now_ms)
{
    const struct config_certificate *settings = entry->settings;
    struct look *look = &entry->look;
    look->marks[0] = mark_of(settings->cert_file);
    look->marks[1] = mark_of(settings->key_file);
    look->read = forced || memcmp(look->marks, entry->marks, sizeof look->marks) != 0;
    if (look->read)
        look->fine =
            key_pair_read(&look->pair, settings->cert_file, settings->key_file, &look->error) &&
            key_pair_check_time(&look->pair, settings->cert_file, now_ms, &look->error);
}

static void work(struct loop_job *job)
{
    struct daemon_certificates *all = CONTAINER_OF(job, struct daemon_certificates, job);
    for (uint32_t i = 0; i < all->count; i++)
        look_at(&all->entries[i], all->forced, all->now_ms);
}

/* -- on the loop -- */

static void warn_of_expiry(struct entry *entry, int64_t now_ms)
{
    char text[CLOCK_TEXT_BYTES];
    int64_t day = now_ms / DAY_MS;
    if (entry->valid_until_ms - now_ms > WARN_DAYS * DAY_MS || entry->warned_day == day)
        return;
    entry->warned_day = day;
    LOG_WARN(now_ms > entry->valid_until_ms ? "a certificate has expired; clients refuse it"
                                            : "a certificate expires soon",
             LOG_STR("certificate", entry->settings->name),
             LOG_STR("file", entry->settings->cert_file),
             LOG_STR("until", clock_format_wall_ms(entry->valid_until_ms, text)));
}

static bool use(struct daemon_certificates *all, struct entry *entry, struct error *error)
{
    const struct look *look = &entry->look;
    char text[CLOCK_TEXT_BYTES];
    if (!proxy_feed_certificate_put(all->feed, entry->settings->name, look->pair.pem,
                                    look->pair.length, error))
        return false;
    memcpy(entry->marks, look->marks, sizeof entry->marks);
    entry->valid_until_ms = look->pair.valid_until_ms;
    entry->warned_day = 0;
    entry->faults = 0;
    LOG_INFO("a certificate is in force", LOG_STR("certificate", entry->settings->name),
             LOG_STR("until", clock_format_wall_ms(entry->valid_until_ms, text)));
    return true;
}

/* Certificate and key are two files, and one is written before the other: the first fault may pass
 * by itself. */
static void take(struct daemon_certificates *all, struct entry *entry)
{
    struct look *look = &entry->look;
    if (look->read && !(look->fine && use(all, entry, &look->error)) &&
        (++entry->faults == FAULTS_TO_TELL || all->forced))
        LOG_ERROR("a certificate can't be used; the one before stays in force",
                  LOG_STR("certificate", entry->settings->name),
                  LOG_STR("error", look->error.message));
    warn_of_expiry(entry, all->now_ms);
}

static void free_all(struct daemon_certificates *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        key_pair_finish(&all->entries[i].look.pair);
    free(all->entries);
    free(all);
}

static void begin(struct daemon_certificates *all, bool forced);

static void done(struct loop_job *job)
{
    struct daemon_certificates *all = CONTAINER_OF(job, struct daemon_certificates, job);
    all->looking = false;
    if (all->ending) {
        free_all(all);
        return;
    }
    for (uint32_t i = 0; i < all->count; i++) {
        take(all, &all->entries[i]);
        key_pair_finish(&all->entries[i].look.pair);
    }
    if (all->again)
        begin(all, true);
}

static void begin(struct daemon_certificates *all, bool forced)
{
    all->again = all->looking && (all->again || forced);
    if (all->looking)
        return;
    all->forced = forced;
    all->now_ms = loop_wall_ms(all->loop);
    all->looking = loop_offload(all->loop, &all->job); /* a full pool: at the next time */
}

static void look_again(void *argument)
{
    struct daemon_certificates *all = argument;
    begin(all, false);
    loop_timer_start(&all->timer, LOOK_NS);
}

void daemon_certificates_look(struct daemon_certificates *all)
{
    LOG_INFO("certificates are read again");
    begin(all, true);
}

/* An expired one is used: its services would be without any, and the rest must start. */
static bool load(struct daemon_certificates *all, struct entry *entry, struct error *error)
{
    entry->look.error = (struct error){0};
    look_at(entry, true, all->now_ms);
    if (!entry->look.pair.pem) {
        *error = entry->look.error;
        return error_wrap(error, "certificate \"%s\"", entry->settings->name);
    }
    bool fine = use(all, entry, error);
    key_pair_finish(&entry->look.pair);
    warn_of_expiry(entry, all->now_ms);
    return fine;
}

struct daemon_certificates *daemon_certificates_create(struct loop *loop,
                                                       const struct config *config,
                                                       struct proxy_feed *feed, struct error *error)
{
    const struct list *list = &config->proxy.certificates;
    struct daemon_certificates *all = memory_alloc(sizeof *all);
    all->loop = loop;
    all->feed = feed;
    all->job = (struct loop_job){.work = work, .done = done, .name = "certificates"};
    all->now_ms = loop_wall_ms(loop);
    all->entries = memory_alloc((list->count + 1) * sizeof *all->entries);
    loop_timer_init(&all->timer, loop, "certificates", look_again, all);
    for (; all->count < list->count; all->count++) {
        struct entry *entry = &all->entries[all->count];
        entry->settings = LIST_AT(*list, struct config_certificate, all->count);
        if (load(all, entry, error))
            continue;
        free_all(all);
        return NULL;
    }
    if (all->count)
        loop_timer_start(&all->timer, LOOK_NS);
    return all;
}

void daemon_certificates_destroy(struct daemon_certificates *all)
{
    if (!all)
        return;
    loop_timer_stop(&all->timer);
    all->ending = true;
    if (!all->looking)
        free_all(all); /* else once the pool has answered */
}
