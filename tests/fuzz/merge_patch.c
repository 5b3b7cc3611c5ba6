/* RFC 7396: a line with the target, then the patch. Neither is changed, to patch twice is to patch
 * once, and the empty patch changes nothing. */
#include "fuzz.h"
#include "schema/schema.h"

static json_t *parsed(const uint8_t *bytes, size_t size)
{
    json_t *value = NULL;
    struct error error = {0};
    return schema_parse_body((const char *)bytes, size, 32, &value, &error) ? value : NULL;
}

static void check(const json_t *target, const json_t *patch)
{
    json_t *target_before = json_deep_copy(target), *patch_before = json_deep_copy(patch);
    json_t *once = schema_merge_patch(target, patch), *twice = schema_merge_patch(once, patch);
    json_t *nothing = json_object(), *same = schema_merge_patch(target, nothing);
    PROMISE(json_equal(target, target_before), "the target was changed");
    PROMISE(json_equal(patch, patch_before), "the patch was changed");
    PROMISE(json_equal(once, twice), "it differs the second time");
    PROMISE(json_equal(target, same), "nothing changes something");
    json_t *const all[] = {target_before, patch_before, once, twice, nothing, same};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        json_decref(all[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line;
    size_t length = fuzz_line(&data, &size, &line);
    json_t *target = parsed(line, length), *patch = parsed(data, size);
    if (target && patch)
        check(target, patch);
    json_decref(target);
    json_decref(patch);
    return 0;
}
