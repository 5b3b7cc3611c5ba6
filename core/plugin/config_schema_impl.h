/* Shared by config_schema.c and config_schema_check.c. */
#ifndef PLUGIN_CONFIG_SCHEMA_IMPL_H
#define PLUGIN_CONFIG_SCHEMA_IMPL_H

#include <jansson.h>

struct config_schema {
    json_t *root; /* valid: see schema_valid */
};

#endif
