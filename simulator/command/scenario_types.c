/* The tables: the file's form. */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define DAY (86400 * SECOND)
#define FIELD(struct_name, member_name, field_name, field_kind, ...)                               \
    {                                                                                              \
        .name = (field_name), .kind = (field_kind),                                                \
        .offset = offsetof(struct struct_name, member_name), __VA_ARGS__                           \
    }
#define TYPE(type_name, c_struct, table, ...)                                                      \
    {                                                                                              \
        .name = (type_name), .size = sizeof(struct c_struct), TYPE_FIELDS(table), __VA_ARGS__      \
    }

static const struct field capacity_fields[] = {
    FIELD(node_amounts, cpu_millis, "cpu", FIELD_CPU, .flags = FIELD_REQUIRED, .min = 1,
          .max = 1000000000, .doc = "Cores."),
    FIELD(node_amounts, memory_bytes, "memory", FIELD_MEMORY, .flags = FIELD_REQUIRED, .min = 1,
          .max = INT64_C(1) << 50, .doc = "Memory."),
};
static const struct type capacity_type = TYPE("Capacity", node_amounts, capacity_fields);

static const struct field reserved_fields[] = {
    FIELD(node_amounts, cpu_millis, "cpu", FIELD_CPU, .min = 0, .max = 1000000000,
          .initial = "\"100m\"", .doc = "Cores."),
    FIELD(node_amounts, memory_bytes, "memory", FIELD_MEMORY, .min = 0, .max = INT64_C(1) << 50,
          .initial = "\"256Mi\"", .doc = "Memory."),
};
static const struct type reserved_type = TYPE("Reserved", node_amounts, reserved_fields);

static const struct field group_fields[] = {
    FIELD(node_group, name, "name", FIELD_STRING, .flags = FIELD_REQUIRED,
          .check = schema_check_name,
          .doc = "Of the node; of several: what their names begin with."),
    FIELD(node_group, count, "count", FIELD_INT, .min = 1, .max = SCENARIO_NODES, .initial = "1",
          .doc = "How many."),
    FIELD(node_group, capacity, "capacity", FIELD_OBJECT, .flags = FIELD_REQUIRED,
          .object = &capacity_type, .doc = "What each has."),
    FIELD(node_group, reserved, "reserved", FIELD_OBJECT, .object = &reserved_type,
          .doc = "Kept for the host, as the configuration's node.reserved."),
    FIELD(node_group, labels, "labels", FIELD_MAP, .max = 64, .check = schema_check_label_map,
          .doc = "Labels of each."),
    FIELD(node_group, zones, "zones", FIELD_STRINGS, .max = 64,
          .doc = "Values of the label zone, given in turn."),
};
static const struct type group_type = TYPE("NodeGroup", node_group, group_fields);

static const struct field plugin_fields[] = {
    FIELD(scenario_plugin, name, "name", FIELD_STRING, .flags = FIELD_REQUIRED,
          .check = schema_check_name, .doc = "How this file calls it."),
    FIELD(scenario_plugin, plugin, "plugin", FIELD_STRING, .initial = "\"\"", .max = 63,
          .doc = "Its name in its manifest; left out: the same."),
    FIELD(scenario_plugin, path, "path", FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1,
          .max = 4095, .doc = "The .so file, from the folder of this file."),
    FIELD(scenario_plugin, config, "config", FIELD_JSON, .doc = "Its own settings."),
};
static const struct type plugin_type = TYPE("SchedulerPlugin", scenario_plugin, plugin_fields);

static const struct field scheduler_fields[] = {
    FIELD(scenario_schedulers, standard, "default", FIELD_STRING, .initial = "\"spread\"",
          .check = schema_check_name, .doc = "Of deployments that name none."),
    FIELD(scenario_schedulers, plugins, "plugins", FIELD_OBJECTS, .max = 16, .object = &plugin_type,
          .doc = "Others than those that ship."),
};
static const struct type schedulers_type =
    TYPE("Schedulers", scenario_schedulers, scheduler_fields);

static const struct field model_fields[] = {
    FIELD(scenario_model, pull_ns, "pull", FIELD_DURATION, .min = 0, .max = DAY / 24,
          .initial = "\"2s\"", .doc = "An image to a node."),
    FIELD(scenario_model, call_ns, "call", FIELD_DURATION, .min = 0, .max = DAY / 24,
          .initial = "\"50ms\"", .doc = "Another call to an engine: create, start, remove."),
    FIELD(scenario_model, ready_ns, "ready", FIELD_DURATION, .min = 0, .max = DAY / 24,
          .initial = "\"1s\"", .doc = "From a container's start until its probes pass."),
    FIELD(scenario_model, stop_ns, "stop", FIELD_DURATION, .min = 0, .max = DAY / 24,
          .initial = "\"500ms\"", .doc = "From the stop signal to the end."),
};
static const struct type model_type = TYPE("Model", scenario_model, model_fields);

static const struct field clock_fields[] = {
    FIELD(scenario_clocks, suspect_after_ns, "suspectAfter", FIELD_DURATION, .min = SECOND / 10,
          .max = DAY / 24, .initial = "\"3s\"", .doc = "As the configuration's."),
    FIELD(scenario_clocks, lost_after_ns, "lostAfter", FIELD_DURATION, .min = SECOND / 5,
          .max = DAY, .initial = "\"15s\"", .doc = "As the configuration's."),
};
static const struct type clocks_type = TYPE("NodeClocks", scenario_clocks, clock_fields);

static const struct field scale_fields[] = {
    FIELD(scenario_scale, deployment, "deployment", FIELD_STRING, .flags = FIELD_REQUIRED,
          .check = schema_check_name, .doc = "Which."),
    FIELD(scenario_scale, replicas, "replicas", FIELD_INT, .flags = FIELD_REQUIRED, .min = 0,
          .max = SCENARIO_CONTAINERS, .doc = "How many from then on."),
};
static const struct type scale_type = TYPE("Scale", scenario_scale, scale_fields);

#define NODES(member_name, field_name, words)                                                      \
    FIELD(scenario_event, member_name, field_name, FIELD_STRINGS, .min = 1, .max = 1000,           \
          .doc = words " Names of nodes, or selectors (\"zone=a\").")

static bool check_event(const void *value, char *message, size_t bytes)
{
    const struct scenario_event *event = value;
    int given = (event->kill.count > 0) + (event->restore.count > 0) + (event->remove.count > 0) +
                (event->drain.count > 0) + (event->cordon.count > 0) + (event->uncordon.count > 0) +
                (event->add.count > 0) + (event->deploy != NULL) + !text_equal(event->patch, "{}") +
                (event->scale != NULL) + (event->restart != NULL) + (event->delete != NULL) +
                (event->scheduler != NULL);
    if (given == 1)
        return true;
    snprintf(message, bytes,
             given ? "must say one thing: write another event with the same time for the other"
                   : "must say what happens: one of kill, restore, add, remove, drain, cordon, "
                     "uncordon, deploy, patch, scale, restart, delete, scheduler");
    return false;
}

static const struct field event_fields[] = {
    FIELD(scenario_event, at_ns, "at", FIELD_DURATION, .flags = FIELD_REQUIRED, .min = 0,
          .max = DAY, .doc = "When, from the moment at which all nodes are ready."),
    NODES(kill, "kill", "They lose power."),
    NODES(restore, "restore", "They have power again, and no containers."),
    NODES(remove, "remove", "Drained, then taken away for good."),
    NODES(drain, "drain", "Their containers move away."),
    NODES(cordon, "cordon", "They take nothing new."),
    NODES(uncordon, "uncordon", "They take containers again."),
    FIELD(scenario_event, add, "add", FIELD_OBJECTS, .min = 1, .max = 100, .object = &group_type,
          .doc = "New nodes."),
    FIELD(scenario_event, deploy, "deploy", FIELD_POINTER, .object = &deployment_type,
          .doc = "A deployment, as PUT takes it: made or replaced."),
    FIELD(scenario_event, patch, "patch", FIELD_JSON,
          .doc = "A part of a deployment, with its name, as PATCH takes it."),
    FIELD(scenario_event, scale, "scale", FIELD_POINTER, .object = &scale_type,
          .doc = "Another number of replicas."),
    FIELD(scenario_event, restart, "restart", FIELD_STRING, .check = schema_check_name,
          .doc = "Every replica of this deployment is made anew."),
    FIELD(scenario_event, delete, "delete", FIELD_STRING, .check = schema_check_name,
          .doc = "This deployment goes."),
    FIELD(scenario_event, scheduler, "scheduler", FIELD_STRING, .check = schema_check_name,
          .doc = "The default from then on: the server is started again with it."),
};
static const struct type event_type =
    TYPE("Event", scenario_event, event_fields, .check = check_event);

static const struct field fields[] = {
    FIELD(scenario, seed, "seed", FIELD_INT, .min = 0, .max = INT64_MAX, .initial = "1",
          .doc = "What ties and jitter are drawn from."),
    FIELD(scenario, settle_ns, "settle", FIELD_DURATION, .min = SECOND, .max = DAY,
          .initial = "\"5m\"",
          .doc = "How long it is watched after an event, at most, until it comes to rest."),
    FIELD(scenario, model, "model", FIELD_OBJECT, .object = &model_type,
          .doc = "How long things take that are not the orchestrator's."),
    FIELD(scenario, clocks, "node", FIELD_OBJECT, .object = &clocks_type,
          .doc = "When nodes count as gone."),
    FIELD(scenario, schedulers, "scheduler", FIELD_OBJECT, .object = &schedulers_type,
          .doc = "What ranks the nodes."),
    FIELD(scenario, groups, "nodes", FIELD_OBJECTS, .flags = FIELD_REQUIRED, .min = 1, .max = 1000,
          .object = &group_type, .doc = "The cluster."),
    FIELD(scenario, deployments, "deployments", FIELD_OBJECTS, .max = SCENARIO_DEPLOYMENTS,
          .object = &deployment_type, .doc = "What is declared at the start."),
    FIELD(scenario, events, "events", FIELD_OBJECTS, .max = SCENARIO_EVENTS, .object = &event_type,
          .doc = "What happens, in order."),
};
const struct type scenario_type = TYPE("Scenario", scenario, fields);
