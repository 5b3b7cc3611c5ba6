/* Bodies of deployments and services: what is accepted is shown in a form that is accepted again
 * and shown the same, and declares the same when it is patched with nothing. */
#include "deployment/deployment.h"
#include "fuzz.h"
#include "service/service.h"

enum { BODY_DEPTH = 32 }; /* as the API has it */

static json_t *parsed(const char *bytes, size_t size)
{
    json_t *value = NULL;
    struct error error = {0};
    bool taken = schema_parse_body(bytes, size, BODY_DEPTH, &value, &error);
    PROMISE(taken == (value != NULL), "a value and a refusal");
    PROMISE(taken || text_is_utf8(error.message, strlen(error.message)), "a message not in UTF-8");
    return value;
}

static bool read(const struct type *type, const json_t *value, struct arena *arena, void *out)
{
    struct schema_faults faults = {0};
    bool good = schema_read_input(type, value, "", NULL, arena, out, &faults);
    PROMISE(good == (faults.count == 0), "no word about what is wrong");
    schema_faults_finish(&faults);
    return good;
}

static void check_form(const struct type *type, const void *value, enum schema_form form)
{
    struct arena arena = {0};
    struct text first = {0}, second = {0};
    schema_write(type, value, form, &first);
    json_t *again = parsed(text_string(&first), first.length);
    PROMISE(again, "no JSON: %s", text_string(&first));
    void *copy = arena_alloc(&arena, type->size);
    PROMISE(read(type, again, &arena, copy), "refused: %s", text_string(&first));
    schema_write(type, copy, form, &second);
    PROMISE(strcmp(text_string(&first), text_string(&second)) == 0, "%s\nbecomes\n%s",
            text_string(&first), text_string(&second));
    PROMISE(schema_equal(type, value, copy), "not equal: %s", text_string(&first));
    json_decref(again);
    text_finish(&first);
    text_finish(&second);
    arena_finish(&arena);
}

static void check_packed(const struct type *type, const void *value)
{
    void *packed = schema_pack(type, value, NULL);
    PROMISE(schema_equal(type, value, packed), "a packed copy differs");
    free(packed);
}

static void check_type(const struct type *type, const json_t *body)
{
    struct arena arena = {0};
    void *value = arena_alloc(&arena, type->size);
    if (read(type, body, &arena, value)) {
        check_form(type, value, SCHEMA_SHOWN);
        check_form(type, value, SCHEMA_DECLARED);
        check_packed(type, value);
    }
    arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *body = parsed((const char *)data, size);
    if (!body)
        return 0;
    check_type(&deployment_type, body);
    check_type(&service_type, body);
    json_decref(body);
    return 0;
}
