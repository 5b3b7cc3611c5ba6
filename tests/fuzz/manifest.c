/* A plugin's manifest, as a hostile or old compiler would lay it out: sizes, counts and strides of
 * any value, each block exactly as large as the manifest says, so that reading one byte beyond it
 * is seen. That the blocks are there at all is what the trial load is for. */
#include "fuzz.h"
#include "plugin/manifest.h"

#include <orchestrator/runtime.h>
#include <orchestrator/scheduler.h>

enum { BLOCKS = 256, BLOCK_LIMIT = 4096, STRIDE_LIMIT = 1 << 16 };

struct maker {
    const uint8_t *data;
    size_t size;
    void *blocks[BLOCKS];
    size_t count;
};

static uint32_t number(struct maker *maker, uint32_t below)
{
    if (!maker->size)
        return 0;
    maker->size--;
    return *maker->data++ % below;
}

/* Now and then something else than what is right. */
static uint32_t mostly(struct maker *maker, uint32_t right)
{
    uint32_t die = number(maker, 32);
    return die < 26   ? right
           : die < 29 ? right + number(maker, 64)
                      : number(maker, 255) << (die & 7);
}

static void *block(struct maker *maker, size_t size)
{
    void *made = calloc(1, size ? size : 1);
    PROMISE(made && maker->count < BLOCKS, "the target itself is short of blocks");
    maker->blocks[maker->count++] = made;
    return made;
}

static const char *word(struct maker *maker)
{
    static const char *const words[] = {"orch.scheduler/1",
                                        "orch.runtime/1",
                                        "orch.store/1",
                                        "orch.balancer/1",
                                        "orch.store.watch/1",
                                        "orch.scheduler/2",
                                        "orch.host.log/1",
                                        "a-name",
                                        "1.0.0",
                                        "{\"type\":\"object\"}"};
    uint32_t die = number(maker, 16);
    if (die < 10)
        return words[die];
    if (die == 10)
        return NULL;
    size_t length = number(maker, 80);
    length = length < maker->size ? length : maker->size;
    char *made = block(maker, length + 1);
    memcpy(made, maker->data, length);
    maker->data += length;
    maker->size -= length;
    return made;
}

/* Functions are judged by being there, and never called. */
static void *table(struct maker *maker)
{
    uint32_t size = mostly(maker, sizeof(struct orch_runtime_v1));
    size = size < sizeof size ? (uint32_t)sizeof size : size % BLOCK_LIMIT;
    size = size < sizeof size ? (uint32_t)sizeof size : size;
    unsigned char *made = block(maker, size);
    for (uint32_t i = sizeof size; i < size; i++)
        made[i] = (unsigned char)(number(maker, 16) ? 1 : 0);
    memcpy(made, &size, sizeof size);
    return number(maker, 16) == 15 ? NULL : made;
}

static void make_provides(struct maker *maker, struct orch_manifest *manifest)
{
    manifest->provide_count = mostly(maker, 1 + number(maker, 4));
    manifest->provide_stride = mostly(maker, sizeof(struct orch_provide));
    size_t stride = manifest->provide_stride;
    if (manifest->provide_count > 64 || stride < sizeof(struct orch_provide) ||
        stride > STRIDE_LIMIT) {
        manifest->provides = block(maker, 1); /* must be refused before it is read */
        return;
    }
    char *at = block(maker, manifest->provide_count * stride);
    manifest->provides = (const struct orch_provide *)(const void *)at;
    for (uint32_t i = 0; i < manifest->provide_count; i++) {
        const struct orch_provide provide = {word(maker), word(maker), table(maker), word(maker)};
        memcpy(at + i * stride, &provide, sizeof provide);
    }
}

static void make_needs(struct maker *maker, struct orch_manifest *manifest)
{
    manifest->need_count = mostly(maker, number(maker, 4));
    manifest->need_stride = mostly(maker, sizeof(struct orch_need));
    size_t stride = manifest->need_stride;
    if (manifest->need_count > 64 || stride < sizeof(struct orch_need) || stride > STRIDE_LIMIT) {
        manifest->needs = block(maker, 1);
        return;
    }
    char *at = block(maker, manifest->need_count * stride);
    manifest->needs = (const struct orch_need *)(const void *)at;
    for (uint32_t i = 0; i < manifest->need_count; i++) {
        const struct orch_need need = {word(maker), mostly(maker, 16), number(maker, 2)};
        memcpy(at + i * stride, &need, sizeof need);
    }
}

static const void *make(struct maker *maker)
{
    struct orch_manifest manifest = {.magic = ORCH_MAGIC,
                                     .loader_abi = mostly(maker, ORCH_LOADER_ABI),
                                     .size = mostly(maker, sizeof manifest),
                                     .sdk_version = mostly(maker, ORCH_SDK_VERSION)};
    manifest.id = word(maker);
    manifest.version = word(maker);
    make_needs(maker, &manifest);
    make_provides(maker, &manifest);
    size_t size = manifest.size < 16 ? 16 : manifest.size;
    if (size > BLOCK_LIMIT * 8)
        size = manifest.size = BLOCK_LIMIT;
    char *made = block(maker, size);
    memcpy(made, &manifest, size < sizeof manifest ? size : sizeof manifest);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plugin_environment environment = {.product = "orchestrator",
                                                          .version = "0.1.0"};
    struct maker maker = {.data = data, .size = size};
    struct manifest_judgement judgement;
    enum plugin_kind kind = (enum plugin_kind)number(&maker, PLUGIN_RUNTIME + 1);
    bool accepted = manifest_judge(make(&maker), &environment, kind, "a-name", &judgement);
    PROMISE(accepted == (judgement.reasons.length == 0), "refused without a reason");
    if (accepted && kind != PLUGIN_KIND_NONE)
        PROMISE(manifest_find(&judgement.manifest, plugin_kind_interface(kind), "a-name"),
                "accepted without what was wanted");
    manifest_judgement_finish(&judgement);
    for (size_t i = 0; i < maker.count; i++)
        free(maker.blocks[i]);
    return 0;
}
