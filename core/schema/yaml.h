/* YAML into Jansson values by libyaml's events, with every value's place by its path: for the
 * configuration and for manifests. A library of its own (core_yaml), since records need none of it.
 * [any thread; a stream is not shared] */
#ifndef SCHEMA_YAML_H
#define SCHEMA_YAML_H

#include "schema/schema.h"

enum { YAML_DEPTH = 32 };

/* Where something came from, for a path below which values are put. */
struct yaml_source {
    struct schema_positions *positions;
    struct schema_faults *faults;
    const char *path; /* of the whole value; "" for the file */
    int fixed_line;   /* not 0: every position is this one */
};
/* One YAML document as Jansson values, or NULL with a fault added. An empty document is null. No
 * anchors, aliases, tags, duplicate keys or second document; scalars by the core schema of YAML 1.2
 * (true, false, null, numbers; all else is a string). The caller owns the value. */
json_t *yaml_read(const char *bytes, size_t length, const struct yaml_source *source);

/* Several documents, one after the other, under the same rules; `bytes` outlive the stream. Places
 * are those in the whole text. */
struct yaml_stream;
struct yaml_stream *yaml_stream_open(const char *bytes, size_t length);
/* The next document into `source`, as yaml_read. False at the end of the text; after a fault *value
 * is NULL and there is nothing more to read. */
bool yaml_stream_next(struct yaml_stream *stream, const struct yaml_source *source, json_t **value);
void yaml_stream_close(struct yaml_stream *stream);
/* Would the plain scalar be read as something else than a string? */
bool yaml_is_ambiguous(const char *text);

#endif
