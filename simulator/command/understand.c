/* What the file means: each node by its name, each event on what is there at its time. */
#include "scenario.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A deployment as the events so far have left it. */
struct declared {
    UT_hash_handle hh;
    const char *name;
    json_t *spec; /* owned */
    int64_t replicas;
};
struct named_node {
    UT_hash_handle hh;
    const char *name;
    uint32_t index;
    bool gone;                      /* removed */
    const struct scenario_step *of; /* the last that names it */
};
struct reader {
    struct scenario *scenario;
    struct declared *declared;
    struct named_node *names;
    uint32_t node_room;
    uint32_t selectors;
    int64_t containers;
    char path[96];
};

/* -- nodes -- */

static struct list labels_of(struct arena *arena, const struct node_group *group, int64_t at)
{
    struct map_entry *entries =
        arena_alloc(arena, (group->labels.count + 1) * sizeof(struct map_entry));
    const char *zone = group->zones.count
                           ? *LIST_AT(group->zones, const char *, (uint64_t)at % group->zones.count)
                           : NULL;
    uint32_t count = 0;
    if (!zone)
        return group->labels;
    for (uint32_t i = 0; i < group->labels.count; i++) {
        const struct map_entry *entry = LIST_AT(group->labels, struct map_entry, i);
        if (zone && strcmp(entry->key, "zone") > 0) {
            entries[count++] = (struct map_entry){"zone", zone};
            zone = NULL;
        }
        if (strcmp(entry->key, "zone") != 0)
            entries[count++] = *entry;
    }
    if (zone)
        entries[count++] = (struct map_entry){"zone", zone};
    return (struct list){.items = entries, .count = count};
}

static void add_node(struct reader *reader, const struct node_group *group, int64_t at, bool late)
{
    struct scenario *scenario = reader->scenario;
    struct scenario_node *node = &scenario->nodes[scenario->node_count];
    struct named_node *named;
    char message[80];
    *node = (struct scenario_node){
        .name = group->count == 1
                    ? group->name
                    : arena_format(&scenario->arena, "%s-%lld", group->name, (long long)at + 1),
        .capacity = group->capacity,
        .reserved = group->reserved,
        .labels = labels_of(&scenario->arena, group, at),
        .late = late};
    HASH_FIND_STR(reader->names, node->name, named);
    if (named) {
        scenario_fault(scenario, reader->path, "there is a node \"%s\" already", node->name);
        return;
    }
    if (!schema_check_name(&node->name, message, sizeof message)) {
        scenario_fault(scenario, reader->path, "the node's name \"%s\" %s", node->name, message);
        return;
    }
    named = arena_alloc(&scenario->arena, sizeof *named);
    named->name = node->name;
    named->index = scenario->node_count++;
    HASH_ADD_KEYPTR(hh, reader->names, named->name, strlen(named->name), named);
}

static bool add_group(struct reader *reader, const struct node_group *group, bool late)
{
    struct scenario *scenario = reader->scenario;
    if (scenario->node_count + (uint64_t)group->count > SCENARIO_NODES) {
        scenario_fault(scenario, reader->path, "there are more than %d nodes in all",
                       SCENARIO_NODES);
        return false;
    }
    if (group->reserved.cpu_millis >= group->capacity.cpu_millis ||
        group->reserved.memory_bytes >= group->capacity.memory_bytes) {
        scenario_fault(scenario, reader->path,
                       "all of its capacity is reserved for the host; give more capacity, or less "
                       "reserved");
        return false;
    }
    uint32_t wanted = scenario->node_count + (uint32_t)group->count;
    if (wanted > reader->node_room) {
        reader->node_room = 2 * wanted;
        scenario->nodes =
            memory_resize(scenario->nodes, reader->node_room * sizeof *scenario->nodes);
    }
    size_t before = scenario->faults.count;
    for (int64_t i = 0; i < group->count && scenario->faults.count == before; i++)
        add_node(reader, group, i, late);
    return scenario->faults.count == before;
}

/* -- deployments -- */

static struct declared *find_declared(struct reader *reader, const char *path, const char *name)
{
    struct declared *declared;
    HASH_FIND_STR(reader->declared, name, declared);
    if (declared)
        return declared;
    scenario_fault(reader->scenario, path, "there is no deployment \"%s\" at that time", name);
    return NULL;
}

static void count_containers(struct reader *reader, const char *path, int64_t more)
{
    reader->containers += more;
    if (reader->containers > SCENARIO_CONTAINERS)
        scenario_fault(reader->scenario, path, "more than %d containers are declared in all",
                       SCENARIO_CONTAINERS);
}

/* A spec as it is from now on; `replicas` left out of it keep their number. */
static const struct declared *declare(struct reader *reader, const char *path,
                                      const struct deployment *wanted, const json_t *spec)
{
    struct declared *declared;
    HASH_FIND_STR(reader->declared, wanted->name, declared);
    if (!declared) {
        declared = arena_alloc(&reader->scenario->arena, sizeof *declared);
        declared->name = wanted->name;
        HASH_ADD_KEYPTR(hh, reader->declared, declared->name, strlen(declared->name), declared);
        declared->replicas = wanted->mode == MODE_REPLICATED ? 1 : 0;
    }
    int64_t before = declared->spec ? declared->replicas : 0;
    if (wanted->mode == MODE_REPLICATED && json_object_get(spec, "replicas"))
        declared->replicas = wanted->replicas;
    json_t *copy = json_deep_copy(spec);
    json_object_set_new(copy, "replicas", json_integer(declared->replicas));
    json_decref(declared->spec);
    declared->spec = copy;
    count_containers(reader, path, declared->replicas - before);
    return declared;
}

static void check_scheduler(struct reader *reader, const char *path, const char *name);

/* With the replicas that it has at that time. */
static const struct deployment *take_spec(struct reader *reader, const char *path,
                                          const json_t *spec)
{
    struct scenario *scenario = reader->scenario;
    struct deployment *wanted = arena_alloc(&scenario->arena, sizeof *wanted);
    if (scenario->arena.used_bytes > SCENARIO_BYTES) {
        scenario_fault(scenario, path, "is too much: the deployments of all events are too large");
        return NULL;
    }
    if (!schema_read_input(&deployment_type, spec, path, scenario->positions, &scenario->arena,
                           wanted, &scenario->faults))
        return NULL;
    if (wanted->placement.scheduler) {
        char field[128];
        snprintf(field, sizeof field, "%s.placement.scheduler", path);
        check_scheduler(reader, field, wanted->placement.scheduler);
    }
    wanted->replicas = declare(reader, path, wanted, spec)->replicas;
    return wanted;
}

static void patch(struct reader *reader, struct scenario_step *step, const json_t *change)
{
    char path[128];
    const char *name = json_string_value(json_object_get(change, "name"));
    snprintf(path, sizeof path, "%s.patch", reader->path);
    if (!name) {
        scenario_fault(reader->scenario, path,
                       "needs the name of the deployment: {name: web, ...}");
        return;
    }
    struct declared *declared = find_declared(reader, path, name);
    if (!declared)
        return;
    step->name = declared->name;
    json_t *merged = schema_merge_patch(declared->spec, change);
    step->wanted = take_spec(reader, path, merged);
    json_decref(merged);
}

/* -- schedulers -- */

/* Is it declared, or may it be one that ships? */
static void check_scheduler(struct reader *reader, const char *path, const char *name)
{
    static const char *const shipped[] = {"spread", "binpack"};
    const struct list *plugins = &reader->scenario->schedulers.plugins;
    for (uint32_t i = 0; i < plugins->count; i++)
        if (strcmp(LIST_AT(*plugins, struct scenario_plugin, i)->name, name) == 0)
            return;
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
        if (strcmp(shipped[i], name) == 0)
            return;
    scenario_fault(reader->scenario, path,
                   "there is no scheduler \"%s\": spread and binpack ship, others are listed in "
                   "scheduler.plugins with their path",
                   name);
}

static void check_plugins(struct reader *reader)
{
    const struct list *plugins = &reader->scenario->schedulers.plugins;
    for (uint32_t i = 0; i < plugins->count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(LIST_AT(*plugins, struct scenario_plugin, i)->name,
                       LIST_AT(*plugins, struct scenario_plugin, k)->name) == 0) {
                snprintf(reader->path, sizeof reader->path, "scheduler.plugins[%u].name", i);
                scenario_fault(reader->scenario, reader->path, "is the name of another one, too");
            }
    check_scheduler(reader, "scheduler.default", reader->scenario->schedulers.standard);
}

/* -- events -- */

static bool is_selector(const char *word)
{
    return strpbrk(word, "=!,") != NULL;
}

/* Once, however often it is meant. */
static void take_node(struct scenario_step *step, struct named_node *named)
{
    if (named->of != step)
        step->nodes[step->node_count++] = named->index;
    named->of = step;
}

static void select_nodes(struct reader *reader, struct scenario_step *step, const char *path,
                         const char *word)
{
    struct scenario *scenario = reader->scenario;
    struct selector selector;
    struct error error;
    bool any = false;
    if (++reader->selectors > SCENARIO_SELECTORS) {
        scenario_fault(scenario, path, "there are more than %d selectors in all",
                       SCENARIO_SELECTORS);
        return;
    }
    if (!selector_parse(word, &scenario->arena, &selector, &error)) {
        scenario_fault(scenario, path, "%s", error.message);
        return;
    }
    for (struct named_node *named = reader->names; named; named = named->hh.next) {
        if (named->gone || !selector_matches(&selector, &scenario->nodes[named->index].labels))
            continue;
        take_node(step, named);
        any = true;
    }
    if (!any)
        scenario_fault(scenario, path, "no node has such labels at that time");
}

static void name_node(struct reader *reader, struct scenario_step *step, const char *path,
                      const char *word)
{
    struct named_node *named;
    HASH_FIND_STR(reader->names, word, named);
    if (named && !named->gone)
        take_node(step, named);
    else
        scenario_fault(reader->scenario, path, "there is no node \"%s\" at that time", word);
}

static void take_nodes(struct reader *reader, struct scenario_step *step, const char *verb,
                       const struct list *words)
{
    struct scenario *scenario = reader->scenario;
    struct text title = {0};
    char path[160];
    text_append_string(&title, verb);
    step->nodes = arena_alloc(&scenario->arena, scenario->node_count * sizeof *step->nodes);
    for (uint32_t i = 0; i < words->count; i++) {
        const char *word = *LIST_AT(*words, const char *, i);
        snprintf(path, sizeof path, "%s.%s[%u]", reader->path, verb, i);
        if (is_selector(word))
            select_nodes(reader, step, path, word);
        else
            name_node(reader, step, path, word);
        if (i < 4)
            text_append_format(&title, "%s%s", i ? ", " : " ", word);
    }
    if (words->count > 4)
        text_append_format(&title, " and %u more", words->count - 4);
    step->title = arena_strdup(&scenario->arena, text_string(&title));
    text_finish(&title);
    if (step->what != EVENT_REMOVE)
        return;
    for (uint32_t i = 0; i < step->node_count; i++) {
        struct named_node *named;
        HASH_FIND_STR(reader->names, scenario->nodes[step->nodes[i]].name, named);
        assert(named);
        named->gone = true;
    }
}

static void add_nodes(struct reader *reader, struct scenario_step *step,
                      const struct scenario_event *event)
{
    struct scenario *scenario = reader->scenario;
    uint32_t first = scenario->node_count;
    size_t length = strlen(reader->path);
    for (uint32_t i = 0; i < event->add.count; i++) {
        snprintf(reader->path + length, sizeof reader->path - length, ".add[%u]", i);
        bool fine = add_group(reader, LIST_AT(event->add, struct node_group, i), true);
        reader->path[length] = 0;
        if (!fine)
            return;
    }
    step->node_count = scenario->node_count - first;
    step->nodes = arena_alloc(&scenario->arena, step->node_count * sizeof *step->nodes);
    for (uint32_t i = 0; i < step->node_count; i++)
        step->nodes[i] = first + i;
    step->title = step->node_count == 1
                      ? arena_format(&scenario->arena, "add %s", scenario->nodes[first].name)
                      : arena_format(&scenario->arena, "add %u nodes", step->node_count);
}

static struct declared *named(struct reader *reader, struct scenario_step *step, const char *member,
                              const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s.%s", reader->path, member);
    struct declared *declared = find_declared(reader, path, name);
    step->name = name;
    step->title = arena_format(&reader->scenario->arena, "%s %s", member, name);
    return declared;
}

static void scale(struct reader *reader, struct scenario_step *step,
                  const struct scenario_scale *scale)
{
    struct declared *declared = named(reader, step, "scale", scale->deployment);
    if (!declared)
        return;
    count_containers(reader, reader->path, scale->replicas - declared->replicas);
    step->title =
        arena_format(&reader->scenario->arena, "scale %s from %lld to %lld", scale->deployment,
                     (long long)declared->replicas, (long long)scale->replicas);
    step->replicas = declared->replicas = scale->replicas;
    json_object_set_new(declared->spec, "replicas", json_integer(scale->replicas));
}

static void delete (struct reader *reader, struct scenario_step *step, const char *name)
{
    struct declared *declared = named(reader, step, "delete", name);
    if (!declared)
        return;
    count_containers(reader, reader->path, -declared->replicas);
    json_decref(declared->spec);
    HASH_DEL(reader->declared, declared);
}

/* "image, resources" */
static const char *members_of(struct arena *arena, const json_t *change)
{
    struct text text = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)change, key, value)
    {
        if (strcmp(key, "name") != 0)
            text_append_format(&text, "%s%s", text.length ? ", " : "", key);
    }
    const char *copy = arena_strdup(arena, text_string(&text));
    text_finish(&text);
    return copy;
}

static void take_deployment(struct reader *reader, struct scenario_step *step, const json_t *event)
{
    char path[128];
    struct arena *arena = &reader->scenario->arena;
    if (step->what == EVENT_PATCH) {
        const json_t *change = json_object_get(event, "patch");
        patch(reader, step, change);
        step->title = arena_format(arena, "change %s of %s", members_of(arena, change),
                                   step->name ? step->name : "");
        return;
    }
    snprintf(path, sizeof path, "%s.deploy", reader->path);
    step->wanted = take_spec(reader, path, json_object_get(event, "deploy"));
    step->name = step->wanted ? step->wanted->name : "";
    step->title = arena_format(arena, "deploy %s", step->name);
}

static void set_scheduler(struct reader *reader, struct scenario_step *step, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s.scheduler", reader->path);
    check_scheduler(reader, path, name);
    step->name = name;
    step->title = arena_format(&reader->scenario->arena, "scheduler %s from now on", name);
}

static const struct node_words {
    const char *verb;
    enum happening what;
    size_t offset;
} node_words[] = {
    {"kill", EVENT_KILL, offsetof(struct scenario_event, kill)},
    {"restore", EVENT_RESTORE, offsetof(struct scenario_event, restore)},
    {"remove", EVENT_REMOVE, offsetof(struct scenario_event, remove)},
    {"drain", EVENT_DRAIN, offsetof(struct scenario_event, drain)},
    {"cordon", EVENT_CORDON, offsetof(struct scenario_event, cordon)},
    {"uncordon", EVENT_UNCORDON, offsetof(struct scenario_event, uncordon)},
};

static void understand_event(struct reader *reader, struct scenario_step *step,
                             const struct scenario_event *event, const json_t *given)
{
    step->at_ns = event->at_ns;
    for (size_t i = 0; i < sizeof node_words / sizeof *node_words; i++) {
        const struct list *words = (const void *)((const char *)event + node_words[i].offset);
        if (words->count) {
            step->what = node_words[i].what;
            take_nodes(reader, step, node_words[i].verb, words);
            return;
        }
    }
    step->what = event->add.count   ? EVENT_ADD
                 : event->deploy    ? EVENT_DEPLOY
                 : event->scale     ? EVENT_SCALE
                 : event->restart   ? EVENT_RESTART
                 : event->delete    ? EVENT_DELETE
                 : event->scheduler ? EVENT_SCHEDULER
                                    : EVENT_PATCH;
    if (step->what == EVENT_ADD)
        add_nodes(reader, step, event);
    else if (step->what == EVENT_DEPLOY || step->what == EVENT_PATCH)
        take_deployment(reader, step, given);
    else if (step->what == EVENT_SCALE)
        scale(reader, step, event->scale);
    else if (step->what == EVENT_RESTART)
        (void)named(reader, step, "restart", event->restart);
    else if (step->what == EVENT_DELETE)
        delete (reader, step, event->delete);
    else
        set_scheduler(reader, step, event->scheduler);
}

static void understand_events(struct reader *reader)
{
    struct scenario *scenario = reader->scenario;
    const json_t *given = json_object_get(scenario->document, "events");
    uint64_t before_ns = 0;
    scenario->steps =
        arena_alloc(&scenario->arena, (scenario->events.count + 1) * sizeof *scenario->steps);
    for (uint32_t i = 0; i < scenario->events.count; i++) {
        const struct scenario_event *event = LIST_AT(scenario->events, struct scenario_event, i);
        snprintf(reader->path, sizeof reader->path, "events[%u]", i);
        if (event->at_ns < before_ns) {
            char path[128];
            snprintf(path, sizeof path, "%s.at", reader->path);
            scenario_fault(scenario, path, "is before the event above it: events stand in order");
        }
        before_ns = event->at_ns;
        understand_event(reader, &scenario->steps[i], event, json_array_get(given, i));
    }
    scenario->step_count = scenario->events.count;
}

static void understand_deployments(struct reader *reader)
{
    struct scenario *scenario = reader->scenario;
    struct deployment *wanted =
        arena_alloc(&scenario->arena, (scenario->deployments.count + 1) * sizeof *wanted);
    const json_t *given = json_object_get(scenario->document, "deployments");
    for (uint32_t i = 0; i < scenario->deployments.count; i++) {
        struct declared *declared;
        const char *name = LIST_AT(scenario->deployments, struct deployment, i)->name;
        snprintf(reader->path, sizeof reader->path, "deployments[%u]", i);
        HASH_FIND_STR(reader->declared, name, declared);
        if (declared)
            scenario_fault(scenario, reader->path, "there is a deployment \"%s\" already", name);
        else {
            const struct deployment *one =
                take_spec(reader, reader->path, json_array_get(given, i));
            if (one)
                wanted[i] = *one;
        }
    }
    scenario->deployments.items = wanted;
}

void scenario_understand(struct scenario *scenario)
{
    struct reader reader = {.scenario = scenario};
    check_plugins(&reader);
    for (uint32_t i = 0; i < scenario->groups.count; i++) {
        snprintf(reader.path, sizeof reader.path, "nodes[%u]", i);
        (void)add_group(&reader, LIST_AT(scenario->groups, struct node_group, i), false);
    }
    understand_deployments(&reader);
    understand_events(&reader);
    if (scenario->clocks.suspect_after_ns >= scenario->clocks.lost_after_ns)
        scenario_fault(scenario, "node.lostAfter", "must be longer than suspectAfter");
    struct declared *declared, *next;
    HASH_ITER(hh, reader.declared, declared, next)
    {
        json_decref(declared->spec);
        HASH_DEL(reader.declared, declared);
    }
    HASH_CLEAR(hh, reader.names);
}
