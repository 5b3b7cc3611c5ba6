/* The part of JSON Schema that plugins describe their configuration with, over Jansson values.
 *
 * Words known: type (a word or a list of words), properties, required, additionalProperties (true,
 * false or a schema; left out it means false, so that a typing error is told), enum, minimum,
 * maximum, minLength, maxLength (in characters), pattern (POSIX extended), items, minItems,
 * maxItems, default, description, and $schema, $id, title, examples, which say nothing here. Any
 * other word refuses the schema: a rule that is not understood must not be skipped. [any thread] */
#ifndef PLUGIN_CONFIG_SCHEMA_H
#define PLUGIN_CONFIG_SCHEMA_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

struct config_schema;

/* NULL when the text is no schema of this kind; the message names the place and the word. */
struct config_schema *config_schema_compile(const char *text, struct error *error);
void config_schema_destroy(struct config_schema *schema); /* NULL is fine */

typedef void config_schema_fault(void *argument, const char *path, const char *message);

/* Reports every fault with its path, which begins with `path`: "runtime.config.endpont". A JSON
 * null where an object is wanted counts as the empty one (an empty YAML mapping). True: no fault.
 */
bool config_schema_check(const struct config_schema *schema, const json_t *value, const char *path,
                         config_schema_fault *fault, void *argument);
/* A new value: the one given, with defaults put in where properties are missing. Only for values
 * without faults. The caller decrefs. */
json_t *config_schema_complete(const struct config_schema *schema, const json_t *value);

#endif
