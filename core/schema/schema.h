/* Field tables: one description of a type gives parsing, validation, defaults, printing, packing,
 * comparison and OpenAPI.
 *
 * A `struct type` describes a C struct by its fields. Values from users (REST bodies, the
 * configuration) come as Jansson values and are read strictly: every fault at once, with its path,
 * and the nearest known name for an unknown one. Records are read from and written to the store's
 * JSON text directly, without a DOM.
 *
 * [any thread]: tables are constant; nothing here keeps state. */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include "base/error.h"
#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
    FIELD_STRING = 1, /* const char *; NULL: not given */
    FIELD_INT,        /* int64_t */
    FIELD_BOOL,       /* bool */
    FIELD_DURATION,   /* uint64_t nanoseconds; "1m30s" or seconds as a number */
    FIELD_CPU,        /* int64_t millis; "250m" or cores as a number or numeric text */
    FIELD_MEMORY,     /* int64_t bytes; "64Mi", "1G" or bytes */
    FIELD_TIME,       /* int64_t wall-clock ms; RFC 3339; 0 prints null */
    FIELD_ENUM,       /* uint8_t, by `words`: 1 is words[0] */
    FIELD_AMOUNT,     /* struct amount: a count or "25%" */
    FIELD_PORT_REF,   /* struct port_ref: a number or the name of a port */
    FIELD_OBJECT,     /* struct embedded; with FIELD_INLINE its fields appear in the parent */
    FIELD_POINTER,    /* const struct *; null: NULL */
    FIELD_OBJECTS,    /* struct list of `object` */
    FIELD_STRINGS,    /* struct list of const char * */
    FIELD_MAP,        /* struct list of struct map_entry, sorted by key, unique */
    FIELD_JSON        /* const char *: any JSON object, kept as compact text; "{}" by default */
};

enum field_flags {
    FIELD_REQUIRED = 1 << 0,
    FIELD_NULLABLE = 1 << 1, /* null is accepted and printed: strings NULL, numbers `NUMBER_NULL` */
    FIELD_READ_ONLY = 1 << 2, /* accepted and ignored from users */
    FIELD_INTERNAL = 1 << 3,  /* stored, never shown or accepted */
    FIELD_SOFT = 1 << 4,      /* shown, never stored */
    FIELD_INLINE = 1 << 5,
    FIELD_NEEDED = 1 << 6,      /* a stored value or a message without it is refused */
    FIELD_SECRET = 1 << 7,      /* never printed, but in the stored form */
    FIELD_RESERVED = 1 << 8,    /* a known name that is refused: "not built yet" */
    FIELD_ALLOW_NONE = 1 << 9,  /* CPU, MEMORY: the word "none" gives NUMBER_NONE */
    FIELD_IMMUTABLE = 1 << 10,  /* for documentation; the manager refuses changes */
    FIELD_THOUSANDTHS = 1 << 11 /* INT, read-only: shown as a number with three decimals */
};

#define NUMBER_NULL INT64_C(-1) /* null in a NULLABLE INT, CPU or MEMORY */
#define NUMBER_NONE INT64_C(-2) /* "none" */

struct amount {
    int32_t value;
    bool percent;
};
/* Of `whole`, rounded up or down. */
int64_t amount_of(struct amount amount, int64_t whole, bool round_up);
struct port_ref {
    uint16_t number;  /* 0: by name */
    const char *name; /* NULL: by number */
};
struct list {
    const void *items; /* array of elements without gaps */
    uint32_t count;
};
struct map_entry {
    const char *key, *value;
};
#define LIST_AT(list, element_type, index) (&((element_type const *)(list).items)[index])
/* NULL when there is none. */
const char *map_get(const struct list *map, const char *key);

struct type;
/* Extra rule of one field or type. False with `message` filled when it is broken. */
typedef bool schema_check(const void *value, char *message, size_t message_bytes);

struct field {
    const char *name; /* camelCase */
    enum field_kind kind;
    unsigned flags;
    size_t offset;
    const struct type *object; /* OBJECT, POINTER, OBJECTS */
    const char *const *words;  /* ENUM: NULL-terminated */
    int64_t min, max;          /* INT, CPU, MEMORY, DURATION, string bytes, counts; both 0: none */
    const char *initial;       /* default as JSON text ("\"10s\""); NULL: zero value or NULL */
    schema_check *check;       /* gets a pointer to the field's value */
    const char *doc;           /* one sentence; becomes OpenAPI's description */
};
struct type {
    const char *name; /* "Deployment" */
    size_t size;
    const struct field *fields;
    size_t field_count;
    schema_check *check; /* after the fields; gets the struct */
    const char *doc;
};
#define TYPE_FIELDS(table) .fields = (table), .field_count = sizeof(table) / sizeof((table)[0])

/* Where a value stood in its file. */
struct schema_position {
    int line, column; /* 0: not known; the configuration uses negative lines for variables */
};
/* Side table: path ("api.listen", "ports[0].name") -> where its key and its value stood. */
struct schema_positions;
struct schema_positions *schema_positions_create(void);
void schema_positions_destroy(struct schema_positions *positions);
/* The later entry of a path replaces the earlier one. */
void schema_positions_add(struct schema_positions *positions, const char *path,
                          struct schema_position key, struct schema_position value);
/* False when that very path has no entry. */
bool schema_positions_at(const struct schema_positions *positions, const char *path,
                         struct schema_position *key, struct schema_position *value);
/* Of the path, else of the nearest known one around it. */
struct schema_position schema_positions_find(const struct schema_positions *positions,
                                             const char *path);
struct schema_position schema_positions_find_key(const struct schema_positions *positions,
                                                 const char *path);

struct schema_fault {
    char path[192]; /* "ports[0].containerPort"; "" for the whole */
    char message[288];
    struct schema_position position;
};
enum { SCHEMA_FAULTS_LIMIT = 64 }; /* more are counted, not kept */
struct schema_faults {
    struct schema_fault *items; /* owned */
    size_t count, dropped;
};
void schema_faults_finish(struct schema_faults *faults);
void schema_faults_add(struct schema_faults *faults, struct schema_position position,
                       const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* One sentence for `error`: the first fault and how many more. False. */
bool schema_faults_to_error(const struct schema_faults *faults, struct error *error);

/* The other way: "path: sentence", as managers say it, becomes a fault of that path. */
void schema_faults_add_error(struct schema_faults *faults, const struct error *error);

/* Defaults only. `out` has type->size bytes, zeroed by the caller here and below: fields without a
 * default and members outside the table are left as they are. */
void schema_defaults(const struct type *type, struct arena *arena, void *out);
/* From users. Strings live in the arena. True when no fault was added. `path` is put in front. */
bool schema_read_input(const struct type *type, const json_t *value, const char *path,
                       const struct schema_positions *positions, struct arena *arena, void *out,
                       struct schema_faults *faults);
/* Did the user give that member? For fields whose absence has another meaning (replicas). */
bool schema_was_given(const json_t *value, const char *name);

/* Records. Unknown members are ignored (a newer minor wrote them), malformed text is an error. */
/* A JSON body: strict UTF-8, an object, no duplicate keys, at most `depth` deep, nothing after it.
 * The caller owns *out. */
bool schema_parse_body(const char *bytes, size_t length, int depth, json_t **out,
                       struct error *error);
/* RFC 7396. A new value; the arguments are left alone. */
json_t *schema_merge_patch(const json_t *target, const json_t *patch);

bool schema_read_stored(const struct type *type, const char *json, size_t length,
                        struct arena *arena, void *out, struct error *error);
enum schema_form {
    SCHEMA_STORED =
        1,          /* records and messages: numbers plain, zero values without default left out */
    SCHEMA_SHOWN,   /* all that REST shows, defaults included */
    SCHEMA_DECLARED /* what users declare: no READ_ONLY, INTERNAL or SOFT fields */
};
/* Appends a JSON object. */
void schema_write(const struct type *type, const void *value, enum schema_form form,
                  struct text *out);
/* The members only ("\"a\":1,\"b\":2"), for objects composed of several structs. Returns whether
 * anything was written. `first`: no comma is owed. */
bool schema_write_members(const struct type *type, const void *value, enum schema_form form,
                          bool first, struct text *out);

/* A deep copy as one malloc block (struct first), freed with free(). `bytes` may be NULL. */
void *schema_pack(const struct type *type, const void *value, size_t *bytes);
/* A deep copy of the pointed-to parts into an arena; `to` gets the struct. */
void schema_copy(const struct type *type, const void *value, struct arena *arena, void *to);
/* Deep comparison of what users declare: skips READ_ONLY, INTERNAL and SOFT fields. */
bool schema_equal(const struct type *type, const void *a, const void *b);
/* SHA-256 over the DECLARED form: identity of a template. */
void schema_hash(const struct type *type, const void *value, char hex[65]);

/* JSON Schema (OpenAPI 3.1 dialect) of a type, as an object text, nested types in place. */

void schema_describe(const struct type *type, struct text *out);

/* Numbers as REST writes them: "250m"/"4", the largest binary unit that divides. */
enum { SCHEMA_NUMBER_BYTES = 32 };
char *schema_format_cpu(int64_t millis, char out[SCHEMA_NUMBER_BYTES]);
char *schema_format_memory(int64_t bytes, char out[SCHEMA_NUMBER_BYTES]);
bool schema_parse_cpu(const char *text, int64_t *millis);
bool schema_parse_memory(const char *text, int64_t *bytes);

/* Names and labels. */
bool schema_is_name(const char *text);
bool schema_is_label_key(const char *key);
schema_check schema_check_name, schema_check_label_map, schema_check_env_map, schema_check_image,
    schema_check_listen, schema_check_path;

/* Label selectors: "k=v,k!=v,k,!k" (also ==). */
struct selector_term {
    const char *key, *value;
    enum { SELECTOR_EQUAL = 1, SELECTOR_NOT_EQUAL, SELECTOR_EXISTS, SELECTOR_MISSING } op;
};
struct selector {
    struct selector_term terms[16];
    size_t count;
};
bool selector_parse(const char *text, struct arena *arena, struct selector *out,
                    struct error *error);
bool selector_matches(const struct selector *selector, const struct list *labels);

#endif
