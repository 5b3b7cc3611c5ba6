#include "manifest.h"

#include "client.h"
#include "deployment/deployment.h"
#include "kinds.h"
#include "output.h"
#include "service/service.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_BYTES = 16 << 20, FILES = 4096 };

/* All files' documents, and what became of them. */
struct reading {
    struct cli *cli;
    struct document *documents; /* owned */
    size_t document_count;
    struct schema_positions **positions; /* owned, one for each document read */
    size_t position_count;
    struct manifests *manifests;
    struct document *present; /* the one that manifests are made of */
    size_t faults;
};

const struct type *manifest_type(const struct kind *kind)
{
    if (strcmp(kind->plural, "deployments") == 0)
        return &deployment_type;
    return strcmp(kind->plural, "services") == 0 ? &service_type : NULL;
}

void manifests_finish(struct manifests *manifests)
{
    for (size_t i = 0; i < manifests->count; i++)
        json_decref(manifests->items[i].body);
    free(manifests->items);
    *manifests = (struct manifests){0};
}

/* -- faults -- */

/* FILE:LINE:COLUMN: path: message, as the server's --check-config says them. */
static void report(struct reading *reading, struct document *document)
{
    for (size_t i = 0; i < document->faults.count; i++) {
        const struct schema_fault *fault = &document->faults.items[i];
        char place[48] = "";
        if (fault->position.line)
            snprintf(place, sizeof place, ":%d:%d", fault->position.line, fault->position.column);
        remark("%s%s: %s%s%s", document->file, place, fault->path, *fault->path ? ": " : "",
               fault->message);
    }
    reading->faults += document->faults.count + document->faults.dropped;
    schema_faults_finish(&document->faults);
    if (document->notes.length)
        fputs(text_string(&document->notes), stderr);
    text_clear(&document->notes);
}

/* -- documents -- */

static struct document *add_document(struct reading *reading, const char *file)
{
    size_t bytes = (reading->document_count + 1) * sizeof *reading->documents;
    reading->documents = memory_resize(reading->documents, bytes);
    struct document *document = &reading->documents[reading->document_count++];
    *document = (struct document){.file = file, .path = ""};
    return document;
}

static struct schema_positions *add_positions(struct reading *reading)
{
    size_t bytes = (reading->position_count + 1) * sizeof(struct schema_positions *);
    reading->positions = memory_resize(reading->positions, bytes);
    return reading->positions[reading->position_count++] = schema_positions_create();
}

static bool is_list(const json_t *value)
{
    const char *kind = member_text(value, "kind");
    size_t length = strlen(kind);
    return json_is_array(json_object_get(value, "items")) &&
           (!length || (length >= 4 && strcmp(kind + length - 4, "List") == 0));
}

/* A document, or each of a list's items. */
static void add_value(struct reading *reading, const char *file, json_t *value,
                      const struct schema_positions *positions)
{
    size_t i;
    json_t *item;
    if (!is_list(value)) {
        struct document *document = add_document(reading, file);
        document->value = json_incref(value);
        document->positions = positions;
        return;
    }
    json_array_foreach(json_object_get(value, "items"), i, item)
    {
        struct document *document = add_document(reading, file);
        document->value = json_incref(item);
        document->positions = positions;
        document->path = arena_format(&reading->cli->arena, "items[%zu]", i);
    }
}

static void read_documents(struct reading *reading, const char *file, const char *bytes,
                           size_t length)
{
    struct yaml_stream *stream = yaml_stream_open(bytes, length);
    struct document syntax = {.file = file};
    json_t *value;
    for (;;) {
        struct schema_positions *positions = add_positions(reading);
        const struct yaml_source source = {
            .positions = positions, .faults = &syntax.faults, .path = ""};
        if (!yaml_stream_next(stream, &source, &value))
            break;
        if (value && !json_is_null(value))
            add_value(reading, file, value, positions);
        json_decref(value);
    }
    yaml_stream_close(stream);
    report(reading, &syntax);
}

/* -- files -- */

static bool read_stream(struct reading *reading, const char *name, FILE *stream)
{
    CLEANUP(text_finish) struct text bytes = {0};
    char part[65536];
    size_t length;
    while ((length = fread(part, 1, sizeof part, stream)) > 0 && bytes.length <= FILE_BYTES)
        text_append(&bytes, part, length);
    if (ferror(stream))
        return complain(0, NULL, "cannot read %s: %s", name, strerror(errno));
    if (bytes.length > FILE_BYTES)
        return complain(0, NULL, "%s is larger than 16 MiB", name);
    read_documents(reading, name, text_string(&bytes), bytes.length);
    return true;
}

static bool read_file(struct reading *reading, const char *name)
{
    FILE *stream = fopen(name, "re");
    if (!stream)
        return complain(0, NULL, "cannot read %s: %s", name, strerror(errno));
    bool fine = read_stream(reading, name, stream);
    fclose(stream);
    return fine;
}

static int is_manifest(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && dot != entry->d_name &&
           (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

/* Its manifests by name, not those of folders in it. */
static bool read_folder(struct reading *reading, const char *name)
{
    struct dirent **entries;
    bool fine = true;
    int count = scandir(name, &entries, is_manifest, alphasort);
    if (count < 0)
        return complain(0, NULL, "cannot read %s: %s", name, strerror(errno));
    for (int i = 0; i < count; i++) {
        size_t length = strlen(name);
        const char *slash = length && name[length - 1] == '/' ? "" : "/";
        fine = fine && read_file(reading, arena_format(&reading->cli->arena, "%s%s%s", name, slash,
                                                       entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    return fine && (count || complain(0, NULL, "%s holds no *.yaml, *.yml or *.json", name));
}

static bool read_named(struct reading *reading, const char *name)
{
    struct stat facts;
    if (strcmp(name, "-") == 0)
        return read_stream(reading, "<stdin>", stdin);
    if (stat(name, &facts) == 0 && S_ISDIR(facts.st_mode))
        return read_folder(reading, name);
    return read_file(reading, name);
}

/* -- what they declare -- */

static void fault(struct document *document, const char *path, const char *message)
{
    struct schema_position position =
        schema_positions_find(document->positions, *path ? path : document->path);
    schema_faults_add(&document->faults, position, path, "%s", message);
}

static bool is_twice(const struct manifests *manifests, const struct kind *kind, const char *name)
{
    for (size_t i = 0; i < manifests->count; i++)
        if (manifests->items[i].kind == kind && strcmp(manifests->items[i].name, name) == 0)
            return true;
    return false;
}

/* Judged by the table that the server judges by; takes the body. */
static void take_body(void *user, const struct kind *kind, json_t *body,
                      const struct schema_positions *positions)
{
    struct reading *reading = user;
    struct document *document = reading->present;
    const struct type *type = manifest_type(kind);
    CLEANUP(arena_finish) struct arena arena = {0};
    size_t before = document->faults.count;
    bool own = positions == document->positions;
    schema_read_input(type, body, own ? document->path : "", positions, &arena,
                      arena_alloc(&arena, type->size), &document->faults);
    const char *name = arena_strdup(&reading->cli->arena, member_text(body, "name"));
    if (document->faults.count == before && is_twice(reading->manifests, kind, name))
        fault(document, "",
              arena_format(&arena, "%s \"%s\" is declared twice", kind->singular, name));
    if (document->faults.count > before) {
        json_decref(body);
        return;
    }
    struct manifests *manifests = reading->manifests;
    manifests->items =
        memory_resize(manifests->items, (manifests->count + 1) * sizeof *manifests->items);
    manifests->items[manifests->count++] =
        (struct manifest){.kind = kind, .name = name, .body = body, .converted = !own};
}

static void read_own(struct reading *reading, struct document *document)
{
    const char *word = member_text(document->value, "kind");
    const char *path =
        *document->path ? arena_format(&reading->cli->arena, "%s.kind", document->path) : "kind";
    const struct kind *kind = NULL;
    if (strcmp(word, "Deployment") == 0 || strcmp(word, "deployment") == 0)
        kind = kind_named("deployments");
    if (strcmp(word, "Service") == 0 || strcmp(word, "service") == 0)
        kind = kind_named("services");
    if (!json_is_object(document->value)) {
        fault(document, "", "must be an object with a kind: Deployment or Service");
    } else if (!kind) {
        fault(document, path,
              *word ? arena_format(&reading->cli->arena,
                                   "must be Deployment or Service, not \"%.60s\"", word)
                    : "is missing: Deployment or Service");
    } else {
        json_t *body = json_copy(document->value);
        json_object_del(body, "kind");
        take_body(reading, kind, body, document->positions);
    }
}

static void read_all(struct reading *reading)
{
    bool lenient = option_given(reading->cli, "lenient");
    for (size_t i = 0; i < reading->document_count; i++) {
        struct document *document = reading->present = &reading->documents[i];
        if (kubernetes_is(document->value))
            kubernetes_convert(&reading->cli->arena, document, reading->documents,
                               reading->document_count, lenient, take_body, reading);
        else
            read_own(reading, document);
        report(reading, document);
    }
}

static void finish(struct reading *reading)
{
    for (size_t i = 0; i < reading->document_count; i++) {
        json_decref(reading->documents[i].value);
        schema_faults_finish(&reading->documents[i].faults);
        text_finish(&reading->documents[i].notes);
    }
    for (size_t i = 0; i < reading->position_count; i++)
        schema_positions_destroy(reading->positions[i]);
    free(reading->documents);
    free(reading->positions);
}

bool manifests_read(struct cli *cli, struct manifests *manifests)
{
    const char *files[FILES];
    size_t count = option_values(cli, "file", files, FILES);
    struct reading reading = {.cli = cli, .manifests = manifests};
    bool fine = true;
    *manifests = (struct manifests){0};
    if (!count)
        return complain(
            0, arena_format(&cli->arena, "for example: orchctl %s -f web.yaml", cli->command->name),
            "%s what? Give a file, a folder or - with -f", cli->command->name);
    for (size_t i = 0; i < count && fine; i++)
        fine = read_named(&reading, files[i]);
    if (fine && !reading.faults)
        read_all(&reading);
    if (fine && reading.faults)
        fine = complain(0, NULL, "%zu %s in the manifests; nothing was changed", reading.faults,
                        reading.faults == 1 ? "fault" : "faults");
    else if (fine && !manifests->count)
        fine = complain(0, NULL, "there is nothing in the manifests");
    finish(&reading);
    if (!fine)
        manifests_finish(manifests);
    return fine;
}
