/* What we keep and what nodes send: a line with the kind ("deployments", "message"), then the
 * text. What can be read is written in a form that is read the same. */
#include "container/container.h"
#include "deployment/deployment.h"
#include "fuzz.h"
#include "node/messages.h"
#include "node/node.h"
#include "service/service.h"
#include "store/event.h"
#include "store/idempotency.h"

static const struct {
    const char *name;
    const struct type *type;
} kinds[] = {{"deployments", &deployment_type},
             {"revisions", &revision_type},
             {"containers", &container_type},
             {"nodes", &node_type},
             {"services", &service_type},
             {"events", &event_type},
             {"audit", &audit_type},
             {"meta", &meta_type},
             {"idempotency", &idempotency_type},
             {"message", &message_type}};

static const struct type *find(const uint8_t *name, size_t length)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, name, length) == 0)
            return kinds[i].type;
    return NULL;
}

static void check(const struct type *type, const void *value)
{
    struct arena arena = {0};
    struct error error = {0};
    struct text first = {0}, second = {0}, shown = {0};
    schema_write(type, value, SCHEMA_STORED, &first);
    void *again = arena_alloc(&arena, type->size);
    PROMISE(schema_read_stored(type, first.data, first.length, &arena, again, &error),
            "%s cannot be read: %s", first.data, error.message);
    schema_write(type, again, SCHEMA_STORED, &second);
    PROMISE(strcmp(first.data, second.data) == 0, "%s\nbecomes\n%s", first.data, second.data);
    void *packed = schema_pack(type, value, NULL);
    text_clear(&second);
    schema_write(type, packed, SCHEMA_STORED, &second);
    PROMISE(strcmp(first.data, second.data) == 0, "%s\nis packed as\n%s", first.data, second.data);
    free(packed);
    schema_write(type, value, SCHEMA_SHOWN, &shown);
    json_t *json = json_loadb(shown.data, shown.length, 0, NULL);
    PROMISE(json, "shown as no JSON: %s", shown.data);
    json_decref(json);
    text_finish(&first);
    text_finish(&second);
    text_finish(&shown);
    arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *name;
    size_t length = fuzz_line(&data, &size, &name);
    const struct type *type = find(name, length);
    struct arena arena = {0};
    struct error error = {0};
    if (!type)
        return -1; /* not worth keeping */
    void *value = arena_alloc(&arena, type->size);
    if (schema_read_stored(type, (const char *)data, size, &arena, value, &error))
        check(type, value);
    arena_finish(&arena);
    return 0;
}
