/* The agent's own file: what it was told to run, under which fence, and its own counts. Written
 * whole (a new file, fsync, rename, fsync of the folder) on the pool, before anything in it is
 * acted on. */
#include "agent/impl.h"
#include "base/buggify.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct kept_container {
    struct assigned_container assigned;
    int64_t started_at_ms, backoff_ns;
    int64_t ended_at_ms, next_start_at_ms, exit_code; /* of an end that waits for its restart */
    bool ready;
    bool vanished; /* and a server may have been told so: it alone says what follows */
};
struct kept {
    const char *cluster;
    int64_t fence, store_seq;
    struct list templates;  /* struct assigned_template */
    struct list containers; /* struct kept_container */
};

#define AT(member) offsetof(struct kept_container, member)
static const struct field kept_container_fields[] = {
    {.name = "assigned",
     .kind = FIELD_OBJECT,
     .offset = AT(assigned),
     .object = &assigned_container_type},
    {.name = "startedAt", .kind = FIELD_TIME, .offset = AT(started_at_ms)},
    {.name = "backoff", .kind = FIELD_INT, .offset = AT(backoff_ns)},
    {.name = "endedAt", .kind = FIELD_TIME, .offset = AT(ended_at_ms)},
    {.name = "nextStart", .kind = FIELD_TIME, .offset = AT(next_start_at_ms)},
    {.name = "exitCode",
     .kind = FIELD_INT,
     .flags = FIELD_NULLABLE,
     .offset = AT(exit_code),
     .initial = "null"},
    {.name = "ready", .kind = FIELD_BOOL, .offset = AT(ready)},
    {.name = "vanished", .kind = FIELD_BOOL, .offset = AT(vanished)},
};
#undef AT
static const struct type kept_container_type = {.name = "KeptContainer",
                                                .size = sizeof(struct kept_container),
                                                TYPE_FIELDS(kept_container_fields)};
#define AT(member) offsetof(struct kept, member)
static const struct field kept_fields[] = {
    {.name = "cluster", .kind = FIELD_STRING, .offset = AT(cluster)},
    {.name = "fence", .kind = FIELD_INT, .offset = AT(fence)},
    {.name = "storeSeq", .kind = FIELD_INT, .offset = AT(store_seq)},
    {.name = "templates",
     .kind = FIELD_OBJECTS,
     .offset = AT(templates),
     .object = &assigned_template_type},
    {.name = "containers",
     .kind = FIELD_OBJECTS,
     .offset = AT(containers),
     .object = &kept_container_type},
};
#undef AT
static const struct type kept_type = {
    .name = "Kept", .size = sizeof(struct kept), TYPE_FIELDS(kept_fields)};

struct saving {
    struct loop_job job;
    struct agent *agent; /* NULL: it has gone */
    uint64_t number;
    struct text text;
    char *path;
    bool failed;
    int fault;
};

static struct kept_container kept_of(const struct unit *unit)
{
    bool ended = unit->phase == UNIT_ENDED || (unit->phase == UNIT_UNKNOWN && unit->end_told);
    return (struct kept_container){.assigned = {.id = unit->id,
                                                .template_id = unit->template->id,
                                                .slot = unit->slot,
                                                .revision = unit->revision,
                                                .ports = unit->ports,
                                                .incarnation = unit->incarnation,
                                                .restarts = unit->restarts,
                                                .seq = unit->seq,
                                                .intent = unit->intent,
                                                .failed = unit->phase == UNIT_FAILED},
                                   .started_at_ms = unit->started_at_ms,
                                   .backoff_ns = (int64_t)unit->backoff.wait_ns,
                                   .ended_at_ms = ended ? unit->finished_at_ms : 0,
                                   .next_start_at_ms = ended ? unit->next_start_at_ms : 0,
                                   .exit_code = ended ? unit->exit_code : NUMBER_NULL,
                                   .ready =
                                       unit->phase == UNIT_UNKNOWN ? unit->was_ready : unit->ready,
                                   .vanished = unit->phase == UNIT_VANISHED};
}

static void fill(struct agent *agent, struct text *out)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    struct unit *unit, *next_unit;
    struct template *template, *next_template;
    struct assigned_template *templates =
        arena_alloc(&arena, (HASH_COUNT(agent->templates) + 1) * sizeof *templates);
    struct kept_container *containers =
        arena_alloc(&arena, (HASH_COUNT(agent->units) + 1) * sizeof *containers);
    struct kept kept = {.cluster = agent->cluster,
                        .fence = agent->fence,
                        .store_seq = agent->store_seq,
                        .templates.items = templates,
                        .containers.items = containers};
    HASH_ITER(hh, agent->templates, template, next_template)
    {
        if (template->users == (template->held ? 1U : 0U))
            continue; /* no container is made from it */
        templates[kept.templates.count] = template->data;
        templates[kept.templates.count++].image_pinned = template->pinned;
    }
    HASH_ITER(hh, agent->units, unit, next_unit)
    {
        containers[kept.containers.count++] = kept_of(unit);
    }
    schema_write(&kept_type, &kept, SCHEMA_STORED, out);
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

static void sync_folder(const char *path)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    *slash = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static void save(struct loop_job *job)
{
    struct saving *saving = CONTAINER_OF(job, struct saving, job);
    char temporary[512];
    snprintf(temporary, sizeof temporary, "%s.new", saving->path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    saving->failed = BUGGIFY("agent-file-fails") || fd < 0 || FAILPOINT_FAILS(keep_before_write) ||
                     !write_all(fd, saving->text.data, saving->text.length) || fsync(fd) != 0;
    FAILPOINT(keep_before_rename);
    saving->failed = saving->failed || rename(temporary, saving->path) != 0;
    saving->fault = errno;
    FAILPOINT(keep_after_rename);
    if (fd >= 0)
        close(fd);
    if (!saving->failed)
        sync_folder(saving->path);
}

static void start_saving(struct agent *agent);

static void free_saving(struct saving *saving)
{
    text_finish(&saving->text);
    free(saving->path);
    free(saving);
}

static void saved(struct loop_job *job)
{
    struct saving *saving = CONTAINER_OF(job, struct saving, job);
    struct agent *agent = saving->agent;
    if (!agent) {
        free_saving(saving);
        return;
    }
    agent->saving = NULL;
    if (saving->failed)
        LOG_ERROR("the agent's file can't be written; nothing new is started until it can",
                  LOG_STR("path", saving->path), LOG_STR("error", strerror(saving->fault)));
    else
        agent->save_done = saving->number;
    report_saved(agent);
    bool again = agent->save_wanted > agent->save_done;
    bool failed = saving->failed;
    free_saving(saving);
    if (again && !failed)
        start_saving(agent);
    else if (again)
        loop_timer_start(&agent->save_timer, NS_PER_SECOND);
    agent_look_all(agent);
}

static void start_saving(struct agent *agent)
{
    if (agent->saving)
        return;
    struct saving *saving = memory_alloc(sizeof *saving);
    saving->agent = agent;
    saving->number = agent->save_wanted;
    saving->path = memory_alloc(strlen(agent->config.state_directory) + 16);
    sprintf(saving->path, "%s/agent.json", agent->config.state_directory);
    fill(agent, &saving->text);
    saving->job = (struct loop_job){.work = save, .done = saved, .name = "agent file"};
    agent->saving = saving;
    if (!BUGGIFY("pool-refuses-agent-file") && loop_offload(agent->loop, &saving->job))
        return;
    agent->saving = NULL;
    free_saving(saving);
    loop_timer_start(&agent->save_timer, NS_PER_SECOND);
}

static void save_due(void *argument)
{
    start_saving(argument);
}

/* Gathers what changes in this turn into one write. */
uint64_t keep_save(struct agent *agent)
{
    agent->save_wanted++;
    if (!agent->config.state_directory) {
        agent->save_done = agent->save_wanted;
        return agent->save_wanted;
    }
    if (!agent->saving && !loop_timer_armed(&agent->save_timer))
        loop_timer_start(&agent->save_timer, 0);
    return agent->save_wanted;
}

static void take_kept(struct agent *agent, const struct kept *kept)
{
    snprintf(agent->cluster, sizeof agent->cluster, "%s", kept->cluster ? kept->cluster : "");
    agent->fence = kept->fence;
    agent->store_seq = kept->store_seq;
    for (uint32_t i = 0; i < kept->templates.count; i++) {
        const struct assigned_template *data =
            LIST_AT(kept->templates, struct assigned_template, i);
        if (data->id)
            template_put(agent, data);
    }
    for (uint32_t i = 0; i < kept->containers.count; i++) {
        const struct kept_container *entry = LIST_AT(kept->containers, struct kept_container, i);
        struct template *template = template_find(agent, entry->assigned.template_id);
        if (!template || !entry->assigned.id || agent_unit(agent, entry->assigned.id))
            continue;
        struct unit *unit = unit_create(agent, &entry->assigned);
        unit->template = template;
        template->users++;
        unit->started_at_ms = entry->started_at_ms;
        unit->backoff.wait_ns = (uint64_t)entry->backoff_ns;
        unit->was_ready = entry->ready;
        unit->finished_at_ms = entry->ended_at_ms;
        unit->next_start_at_ms = entry->next_start_at_ms;
        unit->exit_code = entry->exit_code;
        unit->end_told = entry->ended_at_ms != 0;
        if (entry->assigned.failed)
            unit->phase = UNIT_FAILED;
        if (entry->vanished)
            unit->phase = UNIT_VANISHED;
        unit->gone_said = entry->vanished;
    }
}

static char *read_whole(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    struct stat facts;
    if (!file)
        return NULL;
    char *text = NULL;
    if (fstat(fileno(file), &facts) == 0 && facts.st_size < 256 * 1024 * 1024) {
        text = memory_alloc((size_t)facts.st_size + 1);
        *length = fread(text, 1, (size_t)facts.st_size, file);
    }
    fclose(file);
    return text;
}

void keep_load(struct agent *agent)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    CLEANUP(memory_free_pointer) char *text = NULL;
    struct kept kept = {0};
    struct error error;
    char path[512];
    size_t length = 0;
    loop_timer_init(&agent->save_timer, agent->loop, "agent file", save_due, agent);
    if (!agent->config.state_directory)
        return;
    snprintf(path, sizeof path, "%s/agent.json", agent->config.state_directory);
    text = read_whole(path, &length);
    if (!text)
        return; /* a first start */
    if (schema_read_stored(&kept_type, text, length, &arena, &kept, &error))
        take_kept(agent, &kept);
    else
        LOG_ERROR("the agent's file is damaged; going on with what the server and the engine say",
                  LOG_STR("path", path), LOG_STR("error", error.message));
}

void keep_finish(struct agent *agent)
{
    loop_timer_stop(&agent->save_timer);
    if (agent->saving)
        agent->saving->agent = NULL;
}
