/* What goes to a node: gathered by name during a turn, filled and sent once at its end. */
#include "base/buggify.h"
#include "node/impl.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void name_add(struct name **set, const char *name)
{
    struct name *entry = NULL, *names = *set;
    HASH_FIND_STR(names, name, entry);
    if (entry)
        return;
    entry = memory_alloc(sizeof *entry);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    HASH_ADD_STR(names, name, entry);
    *set = names;
}

void name_clear(struct name **set)
{
    struct name *entry, *next, *names = *set;
    HASH_ITER(hh, names, entry, next)
    {
        HASH_DEL(names, entry);
        free(entry);
    }
    *set = NULL;
}

bool name_has(struct name *set, const char *name)
{
    struct name *entry = NULL;
    HASH_FIND_STR(set, name, entry);
    return entry != NULL;
}

/* Sets are walked in the order in which names came in (uthash keeps it): deterministic. */
static size_t count_names(struct name *set)
{
    return HASH_COUNT(set);
}

static void fill_one(struct peer *peer, const char *id, struct arena *arena,
                     struct assignment *assignment, struct assigned_container *containers,
                     struct assigned_template *templates, struct name **sent, const char **removed)
{
    const struct node_events *events = &peer->registry->events;
    struct assigned_container *container = &containers[assignment->containers.count];
    struct assigned_template *template = &templates[assignment->templates.count];
    if (!events->fill_container(events->argument, peer->name, id, container, template, arena)) {
        removed[assignment->removed.count++] = id;
        return;
    }
    assignment->containers.count++;
    container->template_id = template->id;
    if (name_has(*sent, template->id))
        return;
    name_add(sent, template->id); /* once in each message: agents keep only those in use */
    assignment->templates.count++;
}

/* False: its connection is closed now; the next one begins with everything. */
static bool send_message(struct peer *peer, const struct message *message)
{
    CLEANUP(text_finish) struct text text = {0};
    schema_write(&message_type, message, SCHEMA_STORED, &text);
    if (!BUGGIFY("node-queue-full") && link_send(peer->link, text.data, text.length))
        return true;
    LOG_WARN("a node does not take its messages; its connection is closed",
             LOG_STR("node", peer->name));
    registry_cut(peer);
    return false;
}

static void gather_all(struct peer *peer)
{
    const struct node_events *events = &peer->registry->events;
    const char *id = NULL;
    name_clear(&peer->assign);
    while ((id = events->next_container(events->argument, peer->name, id)))
        name_add(&peer->assign, id);
}

static struct list fill_images(struct peer *peer, struct arena *arena)
{
    const struct node_events *events = &peer->registry->events;
    struct assigned_template *images =
        arena_alloc(arena, (count_names(peer->images) + 1) * sizeof *images);
    struct name *entry, *next;
    uint32_t count = 0;
    HASH_ITER(hh, peer->images, entry, next)
    {
        count += events->fill_image(events->argument, entry->name, &images[count], arena);
    }
    return (struct list){.items = images, .count = count};
}

static size_t send_assignment(struct peer *peer)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    if (peer->assign_all)
        gather_all(peer);
    size_t count = count_names(peer->assign);
    if (!count && !peer->assign_all && !peer->images)
        return 0;
    struct assigned_container *containers = arena_alloc(&arena, (count + 1) * sizeof *containers);
    struct assigned_template *templates = arena_alloc(&arena, (count + 1) * sizeof *templates);
    const char **removed = arena_alloc(&arena, (count + 1) * sizeof *removed);
    struct assignment assignment = {.cluster = state_cluster_uid(peer->registry->state),
                                    .fence = (int64_t)state_fence(peer->registry->state),
                                    .version = ++peer->assignment_version,
                                    .store_seq = (int64_t)state_seq(peer->registry->state),
                                    .full = peer->assign_all,
                                    .templates.items = templates,
                                    .containers.items = containers,
                                    .removed.items = removed,
                                    .images = fill_images(peer, &arena)};
    struct name *entry, *next, *sent = NULL;
    HASH_ITER(hh, peer->assign, entry, next)
    {
        fill_one(peer, entry->name, &arena, &assignment, containers, templates, &sent, removed);
    }
    name_clear(&sent);
    if (!send_message(peer, &(struct message){.assignment = &assignment}))
        return count;
    name_clear(&peer->assign);
    name_clear(&peer->images);
    peer->assign_all = false;
    return count;
}

static void send_table(struct peer *peer)
{
    CLEANUP(arena_finish) struct arena arena = {0};
    const struct node_events *events = &peer->registry->events;
    const char *service = NULL;
    if (peer->publish_all) {
        name_clear(&peer->publish);
        while ((service = events->next_service(events->argument, service)))
            name_add(&peer->publish, service);
    }
    size_t count = count_names(peer->publish);
    if (!count && !peer->publish_all)
        return;
    struct published_service *services = arena_alloc(&arena, (count + 1) * sizeof *services);
    const char **removed = arena_alloc(&arena, (count + 1) * sizeof *removed);
    struct endpoint_table table = {.fence = (int64_t)state_fence(peer->registry->state),
                                   .version = peer->registry->table_version,
                                   .full = peer->publish_all,
                                   .services.items = services,
                                   .removed.items = removed};
    struct name *entry, *next;
    HASH_ITER(hh, peer->publish, entry, next)
    {
        if (events->fill_service(events->argument, entry->name, &arena,
                                 &services[table.services.count]))
            table.services.count++;
        else
            removed[table.removed.count++] = entry->name;
    }
    if (!send_message(peer, &(struct message){.table = &table}))
        return;
    peer->table_version = table.version;
    name_clear(&peer->publish);
    peer->publish_all = false;
}

size_t registry_send(struct peer *peer)
{
    if (!peer->link || !peer->known)
        return 0;
    size_t told = send_assignment(peer);
    if (peer->link && peer->registry->settled)
        send_table(peer);
    return told;
}

void registry_forget_sent(struct peer *peer)
{
    name_clear(&peer->assign);
    name_clear(&peer->images);
    name_clear(&peer->publish);
    peer->assignment_version = peer->table_version = peer->acknowledged = 0;
    peer->assign_all = peer->publish_all = true;
}

void node_registry_assign(struct node_registry *registry, const char *node, const char *id)
{
    struct peer *peer = registry_peer(registry, node);
    if (!peer || !peer->link || peer->assign_all)
        return; /* the next connection begins with everything */
    name_add(&peer->assign, id);
    registry_queue(peer);
}

void node_registry_want_image(struct node_registry *registry, const char *node,
                              const char *revision)
{
    struct peer *peer = registry_peer(registry, node);
    if (!peer || !peer->link)
        return;
    name_add(&peer->images, revision);
    registry_queue(peer);
}

void node_registry_assign_all(struct node_registry *registry, const char *node)
{
    struct peer *peer = registry_peer(registry, node);
    if (!peer)
        return;
    peer->assign_all = true;
    registry_queue(peer);
}

int64_t node_registry_publish(struct node_registry *registry, const char *service)
{
    struct peer *peer, *next;
    registry->table_version++;
    HASH_ITER(hh, registry->peers, peer, next)
    {
        if (!service)
            peer->publish_all = true;
        else if (!peer->publish_all)
            name_add(&peer->publish, service);
        registry_queue(peer);
    }
    return registry->table_version;
}
