#include "plugin/manifest.h"

#include <orchestrator/balancer.h>
#include <orchestrator/runtime.h>
#include <orchestrator/scheduler.h>
#include <orchestrator/store.h>

#include <string.h>

enum { COUNT_LIMIT = 64, NAME_LIMIT = 63 };

#define SLOT(type, member)                                                                         \
    {                                                                                              \
#member, (uint32_t)offsetof(type, member)                                                  \
    }
static const struct plugin_slot scheduler_slots[] = {SLOT(struct orch_scheduler_v1, create),
                                                     SLOT(struct orch_scheduler_v1, destroy),
                                                     SLOT(struct orch_scheduler_v1, score)};
static const struct plugin_slot balancer_slots[] = {
    SLOT(struct orch_balancer_v1, create),     SLOT(struct orch_balancer_v1, destroy),
    SLOT(struct orch_balancer_v1, worker_new), SLOT(struct orch_balancer_v1, worker_free),
    SLOT(struct orch_balancer_v1, update),     SLOT(struct orch_balancer_v1, pick)};
static const struct plugin_slot store_slots[] = {
    SLOT(struct orch_store_v1, open), SLOT(struct orch_store_v1, close),
    SLOT(struct orch_store_v1, head), SLOT(struct orch_store_v1, list),
    SLOT(struct orch_store_v1, apply)};
static const struct plugin_slot runtime_slots[] = {
    SLOT(struct orch_runtime_v1, create_runtime), SLOT(struct orch_runtime_v1, destroy_runtime),
    SLOT(struct orch_runtime_v1, info),           SLOT(struct orch_runtime_v1, pull),
    SLOT(struct orch_runtime_v1, create),         SLOT(struct orch_runtime_v1, start),
    SLOT(struct orch_runtime_v1, stop),           SLOT(struct orch_runtime_v1, remove),
    SLOT(struct orch_runtime_v1, list),           SLOT(struct orch_runtime_v1, events),
    SLOT(struct orch_runtime_v1, cancel)};
static const struct plugin_slot lease_slots[] = {
    SLOT(struct orch_store_lease_v1, create),  SLOT(struct orch_store_lease_v1, destroy),
    SLOT(struct orch_store_lease_v1, acquire), SLOT(struct orch_store_lease_v1, renew),
    SLOT(struct orch_store_lease_v1, release), SLOT(struct orch_store_lease_v1, cancel)};
static const struct plugin_slot watch_slots[] = {
    SLOT(struct orch_store_watch_v1, create), SLOT(struct orch_store_watch_v1, destroy),
    SLOT(struct orch_store_watch_v1, watch), SLOT(struct orch_store_watch_v1, resume),
    SLOT(struct orch_store_watch_v1, cancel)};
static const struct plugin_slot backup_slots[] = {
    SLOT(struct orch_store_backup_v1, create), SLOT(struct orch_store_backup_v1, destroy),
    SLOT(struct orch_store_backup_v1, save), SLOT(struct orch_store_backup_v1, cancel)};

#define INTERFACE(id, kind, type, slots)                                                           \
    {                                                                                              \
        id, kind, (uint32_t)sizeof(type), slots, sizeof(slots) / sizeof(slots)[0]                  \
    }
static const struct plugin_interface interfaces[] = {
    INTERFACE(ORCH_SCHEDULER_1, PLUGIN_SCHEDULER, struct orch_scheduler_v1, scheduler_slots),
    INTERFACE(ORCH_BALANCER_1, PLUGIN_BALANCER, struct orch_balancer_v1, balancer_slots),
    INTERFACE(ORCH_STORE_1, PLUGIN_STORE, struct orch_store_v1, store_slots),
    INTERFACE(ORCH_RUNTIME_1, PLUGIN_RUNTIME, struct orch_runtime_v1, runtime_slots),
    INTERFACE(ORCH_STORE_LEASE_1, PLUGIN_KIND_NONE, struct orch_store_lease_v1, lease_slots),
    INTERFACE(ORCH_STORE_WATCH_1, PLUGIN_KIND_NONE, struct orch_store_watch_v1, watch_slots),
    INTERFACE(ORCH_STORE_BACKUP_1, PLUGIN_KIND_NONE, struct orch_store_backup_v1, backup_slots),
};

const struct plugin_interface *plugin_interface_find(const char *id)
{
    for (size_t i = 0; i < sizeof interfaces / sizeof interfaces[0]; i++)
        if (text_equal(interfaces[i].id, id))
            return &interfaces[i];
    return NULL;
}

/* "orch.scheduler/2" when we have "orch.scheduler/1": ours, else NULL. */
static const struct plugin_interface *other_major(const char *id)
{
    const char *slash = strrchr(id, '/');
    for (size_t i = 0; slash && i < sizeof interfaces / sizeof interfaces[0]; i++)
        if (strncmp(interfaces[i].id, id, (size_t)(slash - id) + 1) == 0)
            return &interfaces[i];
    return NULL;
}

void manifest_judgement_finish(struct manifest_judgement *judgement)
{
    text_finish(&judgement->reasons);
    text_finish(&judgement->warnings);
}

/* ---- the judge's pen ------------------------------------------------------------------------- */

struct judge {
    const struct plugin_environment *environment;
    struct manifest_judgement *out;
    const struct orch_manifest *manifest;
};

static void say(struct text *text, const char *format, va_list arguments)
{
    struct error sentence = {0};
    error_vset(&sentence, ERROR_PLUGIN, format, arguments);
    text_defuse(sentence.message);
    text_append_format(text, "%s%s", text->length ? "; " : "", sentence.message);
}

static void reason(struct judge *judge, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void reason(struct judge *judge, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(&judge->out->reasons, format, arguments);
    va_end(arguments);
}

static void warning(struct judge *judge, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void warning(struct judge *judge, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(&judge->out->warnings, format, arguments);
    va_end(arguments);
}

#define HOST(judge) (judge)->environment->product, (judge)->environment->version

/* ---- the manifest itself --------------------------------------------------------------------- */

/* What must hold before anything else can be read. */
static bool head_judged(struct judge *judge, const struct orch_manifest *theirs)
{
    const uint32_t least = ORCH_SIZE_UPTO(struct orch_manifest, fini);
    size_t offset = 0;
    if (!theirs)
        reason(judge, "exports no " ORCH_MANIFEST_SYMBOL ": it is no plugin of %s %s", HOST(judge));
    else if (theirs->magic != ORCH_MAGIC)
        reason(judge, "its manifest begins with 0x%08x, not with the magic 0x%08x", theirs->magic,
               ORCH_MAGIC);
    else if (theirs->loader_abi != ORCH_LOADER_ABI)
        reason(judge, "made for loader ABI %u; this %s %s has loader ABI %u", theirs->loader_abi,
               HOST(judge), ORCH_LOADER_ABI);
    else if (theirs->size < least)
        reason(judge, "its manifest has %u bytes; this %s %s needs at least %u", theirs->size,
               HOST(judge), least);
    else {
        /* The size sits behind magic and ABI here, so ORCH_TAKE does not fit. */
        struct orch_manifest *mine = &judge->out->manifest;
        const unsigned char *bytes = (const unsigned char *)theirs;
        memcpy(mine, theirs, theirs->size < sizeof *mine ? theirs->size : sizeof *mine);
        for (offset = sizeof *mine; offset < theirs->size; offset++)
            if (bytes[offset]) {
                reason(judge,
                       "its manifest has a value at offset %zu, which is newer than this %s %s "
                       "knows (%zu bytes)",
                       offset, HOST(judge), sizeof *mine);
                break;
            }
        return true;
    }
    return false;
}

static bool arrays_judged(struct judge *judge)
{
    const struct orch_manifest *manifest = judge->manifest;
    bool sound = true;
    if (!manifest->id || !manifest->id[0] || !manifest->version || !manifest->version[0])
        reason(judge, "its manifest has no id or no version");
    if (!manifest->provides || !manifest->provide_count) {
        reason(judge, "provides nothing");
        sound = false;
    } else if (manifest->provide_count > COUNT_LIMIT ||
               manifest->provide_stride < ORCH_SIZE_UPTO(struct orch_provide, config_schema) ||
               manifest->provide_stride % _Alignof(struct orch_provide)) {
        reason(judge, "its provides are no array of struct orch_provide (%u, stride %u)",
               manifest->provide_count, manifest->provide_stride);
        sound = false;
    }
    if (manifest->need_count &&
        (!manifest->needs || manifest->need_count > COUNT_LIMIT ||
         manifest->need_stride < ORCH_SIZE_UPTO(struct orch_need, optional) ||
         manifest->need_stride % _Alignof(struct orch_need))) {
        reason(judge, "its needs are no array of struct orch_need (%u, stride %u)",
               manifest->need_count, manifest->need_stride);
        sound = false;
    }
    return sound;
}

/* ---- needs ----------------------------------------------------------------------------------- */

static void judge_need(struct judge *judge, const struct orch_need *need)
{
    if (!need->interface_id) {
        reason(judge, "one of its needs has no interface id");
        return;
    }
    const struct plugin_service *service =
        plugin_environment_find(judge->environment, need->interface_id);
    uint32_t ours = service ? *(const uint32_t *)service->table : 0;
    if (service && need->min_size <= ours)
        return;
    if (need->optional)
        warning(judge, "%s is not there in the size it would like", need->interface_id);
    else if (!service)
        reason(judge, "needs %s, which this %s %s does not offer", need->interface_id, HOST(judge));
    else
        reason(judge, "needs %u bytes of %s; this %s %s offers %u", need->min_size,
               need->interface_id, HOST(judge), ours);
}

/* ---- provides -------------------------------------------------------------------------------- */

static const struct orch_provide *provide_at(const struct orch_manifest *manifest, uint32_t index)
{
    const struct orch_array array = {manifest->provides, manifest->provide_count,
                                     manifest->provide_stride};
    return ORCH_AT(struct orch_provide, array, index);
}

static bool name_valid(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    return length && length <= NAME_LIMIT &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static bool slot_filled(const void *table, uint32_t size, uint32_t offset)
{
    void (*function)(void) = NULL;
    if (size < offset + sizeof function)
        return false;
    memcpy(&function, (const char *)table + offset, sizeof function);
    return function != NULL;
}

static void judge_table(struct judge *judge, const struct orch_provide *provide,
                        const struct plugin_interface *interface)
{
    const unsigned char *bytes = provide->table;
    if (!bytes) {
        reason(judge, "%s \"%s\": its table is missing", interface->id, provide->name);
        return;
    }
    uint32_t size = *(const uint32_t *)provide->table;
    for (size_t i = 0; i < interface->mandatory_count; i++)
        if (!slot_filled(bytes, size, interface->mandatory[i].offset))
            reason(judge, "%s \"%s\": the function %s is missing", interface->id, provide->name,
                   interface->mandatory[i].name);
    for (uint32_t i = interface->table_size; i < size; i++)
        if (bytes[i]) {
            reason(judge,
                   "%s \"%s\": its table has a value at offset %u, which is newer than this %s %s "
                   "knows (%u bytes)",
                   interface->id, provide->name, i, HOST(judge), interface->table_size);
            break;
        }
}

static void judge_schema(struct judge *judge, const struct orch_provide *provide)
{
    struct error error = {0};
    if (!provide->config_schema)
        return;
    struct config_schema *schema = config_schema_compile(provide->config_schema, &error);
    if (!schema)
        reason(judge, "%s \"%s\": %s", provide->interface_id, provide->name, error.message);
    config_schema_destroy(schema);
}

static void judge_unique(struct judge *judge, uint32_t index)
{
    const struct orch_provide *provide = provide_at(judge->manifest, index);
    for (uint32_t i = 0; i < index; i++) {
        const struct orch_provide *other = provide_at(judge->manifest, i);
        if (text_equal(other->interface_id, provide->interface_id) &&
            text_equal(other->name, provide->name)) {
            reason(judge, "provides %s \"%s\" twice", provide->interface_id, provide->name);
            return;
        }
    }
}

/* Another major of an interface is a reason only when nothing of that family is provided in ours:
 * an object may offer several. */
static bool provides_family(const struct orch_manifest *manifest, const char *id)
{
    for (uint32_t i = 0; i < manifest->provide_count; i++)
        if (text_equal(provide_at(manifest, i)->interface_id, id))
            return true;
    return false;
}

static void judge_unknown(struct judge *judge, const struct orch_provide *provide)
{
    const struct plugin_interface *ours = other_major(provide->interface_id);
    uint32_t sdk = judge->manifest->sdk_version;
    if (!ours)
        warning(judge, "provides %s, which this %s %s does not know", provide->interface_id,
                HOST(judge));
    else if (!provides_family(judge->manifest, ours->id))
        reason(judge,
               "provides %s (SDK %u.%u.%u); this %s %s has %s: rebuild with SDK %u.x, or use "
               "another %s",
               provide->interface_id, sdk >> 16, sdk >> 8 & 0xff, sdk & 0xff, HOST(judge), ours->id,
               ORCH_SDK_VERSION >> 16, judge->environment->product);
}

static void judge_provide(struct judge *judge, uint32_t index)
{
    const struct orch_provide *provide = provide_at(judge->manifest, index);
    if (!provide->interface_id) {
        reason(judge, "one of its provides has no interface id");
        return;
    }
    const struct plugin_interface *interface = plugin_interface_find(provide->interface_id);
    if (!interface) {
        judge_unknown(judge, provide);
        return;
    }
    if (!name_valid(provide->name)) {
        reason(judge, "%s: its name is not made of a-z, 0-9 and -, at most %d", interface->id,
               NAME_LIMIT);
        return;
    }
    judge_unique(judge, index);
    judge_table(judge, provide, interface);
    judge_schema(judge, provide);
}

static void judge_wanted(struct judge *judge, enum plugin_kind kind, const char *name)
{
    const char *wanted = plugin_kind_interface(kind);
    struct text names CLEANUP(text_finish) = {0};
    if (manifest_find(judge->manifest, wanted, name))
        return;
    for (uint32_t i = 0; i < judge->manifest->provide_count; i++) {
        const struct orch_provide *provide = provide_at(judge->manifest, i);
        text_append_format(&names, "%s%s \"%s\"", i ? ", " : "",
                           provide->interface_id ? provide->interface_id : "?",
                           provide->name ? provide->name : "?");
    }
    reason(judge, "does not provide %s \"%s\", but %s", wanted, name, text_string(&names));
}

/* ---- all of it ------------------------------------------------------------------------------- */

const struct orch_provide *manifest_find(const struct orch_manifest *manifest,
                                         const char *interface_id, const char *name)
{
    for (uint32_t i = 0; i < manifest->provide_count; i++) {
        const struct orch_provide *provide = provide_at(manifest, i);
        if (text_equal(provide->interface_id, interface_id) && text_equal(provide->name, name))
            return provide;
    }
    return NULL;
}

bool manifest_judge(const void *symbol, const struct plugin_environment *environment,
                    enum plugin_kind kind, const char *name, struct manifest_judgement *out)
{
    *out = (struct manifest_judgement){0};
    struct judge judge = {.environment = environment, .out = out, .manifest = &out->manifest};
    if (!head_judged(&judge, symbol))
        return false;
    if (arrays_judged(&judge)) {
        const struct orch_array needs = {out->manifest.needs, out->manifest.need_count,
                                         out->manifest.need_stride};
        for (uint32_t i = 0; i < needs.count; i++)
            judge_need(&judge, ORCH_AT(struct orch_need, needs, i));
        for (uint32_t i = 0; i < out->manifest.provide_count; i++)
            judge_provide(&judge, i);
        if (kind != PLUGIN_KIND_NONE && !out->reasons.length)
            judge_wanted(&judge, kind, name);
    }
    return out->reasons.length == 0;
}

void manifest_describe(struct text *out, const char *file, const char *id, const char *version,
                       uint32_t sdk_version)
{
    text_append_string(out, file);
    if (id && id[0])
        text_append_format(out, " (%s %s, SDK %u.%u.%u)", id, version && version[0] ? version : "?",
                           sdk_version >> 16, sdk_version >> 8 & 0xff, sdk_version & 0xff);
}
