/* Kubernetes' manifests into ours: YAML, conversion, and our tables on the result. */
#include "kinds.h"
#include "manifest.h"

#include <stddef.h>
#include <stdint.h>

enum { DOCUMENTS = 8 };

static void take(void *user, const struct kind *kind, json_t *body,
                 const struct schema_positions *positions)
{
    struct document *document = user;
    struct arena arena = {0};
    const struct type *type = manifest_type(kind);
    schema_read_input(type, body, "", positions, &arena, arena_alloc(&arena, type->size),
                      &document->faults);
    json_decref(body);
    arena_finish(&arena);
}

static void convert(struct document *documents, size_t count, bool lenient)
{
    for (size_t i = 0; i < count; i++) {
        struct arena arena = {0};
        if (kubernetes_is(documents[i].value))
            kubernetes_convert(&arena, &documents[i], documents, count, lenient, take,
                               &documents[i]);
        arena_finish(&arena);
        schema_faults_finish(&documents[i].faults);
        text_finish(&documents[i].notes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document documents[DOCUMENTS] = {0};
    struct schema_positions *positions = schema_positions_create();
    struct schema_faults faults = {0};
    const struct yaml_source source = {.positions = positions, .faults = &faults, .path = ""};
    struct yaml_stream *stream = yaml_stream_open((const char *)data, size);
    size_t count = 0;
    json_t *value;
    while (count < DOCUMENTS && yaml_stream_next(stream, &source, &value))
        if (value)
            documents[count++] = (struct document){
                .file = "k.yaml", .value = value, .positions = positions, .path = ""};
    yaml_stream_close(stream);
    convert(documents, count, false);
    convert(documents, count, true);
    for (size_t i = 0; i < count; i++)
        json_decref(documents[i].value);
    schema_faults_finish(&faults);
    schema_positions_destroy(positions);
    return 0;
}
