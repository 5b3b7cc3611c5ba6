#include "schema/schema.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool schema_is_name(const char *text)
{
    size_t length = strlen(text);
    if (!length || length > 63 || !is_lower_alnum(text[0]) || !is_lower_alnum(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower_alnum(text[i]) && text[i] != '-')
            return false;
    return true;
}

bool schema_check_name(const void *value, char *message, size_t bytes)
{
    const char *name = *(const char *const *)value;
    if (!name || schema_is_name(name))
        return true;
    snprintf(message, bytes,
             "must be 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit");
    return false;
}

static bool is_label_part(const char *text, size_t length, bool may_be_empty)
{
    if (!length)
        return may_be_empty;
    if (length > 63 || !isalnum((unsigned char)text[0]) ||
        !isalnum((unsigned char)text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    return true;
}

static bool is_label_prefix(const char *text, size_t length)
{
    if (!length || length > 253)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_lower_alnum(text[i]) && text[i] != '-' && text[i] != '.')
            return false;
    return is_lower_alnum(text[0]) && is_lower_alnum(text[length - 1]);
}

bool schema_is_label_key(const char *key)
{
    const char *slash = strchr(key, '/');
    if (slash && !is_label_prefix(key, (size_t)(slash - key)))
        return false;
    const char *name = slash ? slash + 1 : key;
    return is_label_part(name, strlen(name), false);
}

bool schema_check_label_map(const void *value, char *message, size_t bytes)
{
    const struct list *map = value;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct map_entry *entry = LIST_AT(*map, struct map_entry, i);
        if (!schema_is_label_key(entry->key)) {
            snprintf(message, bytes,
                     "key \"%.80s\" must be [prefix/]name: at most 63 of A-Z, a-z, 0-9, '-', '_', "
                     "'.', beginning and ending with a letter or digit",
                     entry->key);
            return false;
        }
        if (!is_label_part(entry->value, strlen(entry->value), true)) {
            snprintf(message, bytes,
                     "value of \"%.80s\" must be at most 63 of A-Z, a-z, 0-9, '-', '_', '.', "
                     "beginning and ending with a letter or digit",
                     entry->key);
            return false;
        }
    }
    return true;
}

bool schema_check_env_map(const void *value, char *message, size_t bytes)
{
    const struct list *map = value;
    for (uint32_t i = 0; i < map->count; i++) {
        const char *key = LIST_AT(*map, struct map_entry, i)->key;
        if (!*key || strchr(key, '=')) {
            snprintf(message, bytes, "name \"%.80s\" must not be empty or hold '='", key);
            return false;
        }
    }
    return true;
}

/* "../x" and "-x" are no names, and nothing should ever see them as paths or options. */
static bool components_begin_well(const char *image)
{
    for (const char *p = image; p; p = strchr(p, '/')) {
        p += p != image;
        if (!isalnum((unsigned char)*p))
            return false;
    }
    return true;
}

/* [registry[:port]/]path[:tag][@digest], after the distribution project's reference grammar. */
bool schema_check_image(const void *value, char *message, size_t bytes)
{
    const char *image = *(const char *const *)value;
    if (!image)
        return true;
    for (const char *p = image; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-/:@+", *p)) {
            snprintf(message, bytes, "holds a character that no image name has");
            return false;
        }
    const char *slash = strrchr(image, '/');
    const char *name = slash ? slash + 1 : image;
    const char *at = strchr(image, '@');
    size_t name_length = strcspn(name, ":@");
    const char *tag = name[name_length] == ':' ? name + name_length + 1 : NULL;
    bool digest = at && strncmp(at, "@sha256:", 8) == 0 && strlen(at + 8) == 64 &&
                  strspn(at + 8, "0123456789abcdef") == 64;
    size_t tag_length = tag ? strcspn(tag, "@") : 0;
    if (text_starts_with(image, "sha256:") && strlen(image) == 71)
        return true;
    if (!name_length || !components_begin_well(image) || image[0] == '/' || strstr(image, "//") ||
        (at && !digest)) {
        snprintf(message, bytes, "is no image name: name:tag or name@sha256:... is wanted");
        return false;
    }
    for (const char *p = slash ? strchr(image, '/') : image; p && p < name + name_length; p++)
        if (isupper((unsigned char)*p)) {
            snprintf(message, bytes, "the name of an image is in lower case");
            return false;
        }
    if (!digest && (!tag || !tag_length)) {
        snprintf(message, bytes,
                 "needs a tag or a digest (\"%.80s:1.0\"): what \"latest\" means would change "
                 "under you",
                 image);
        return false;
    }
    if (tag_length > 128) {
        snprintf(message, bytes, "the tag is longer than 128 characters");
        return false;
    }
    return true;
}

bool schema_check_listen(const void *value, char *message, size_t bytes)
{
    const char *listen = *(const char *const *)value;
    char address[64];
    unsigned char binary[16];
    const char *colon = listen ? strrchr(listen, ':') : NULL;
    size_t length = colon ? (size_t)(colon - listen) : 0;
    bool bracketed = length > 2 && listen[0] == '[' && listen[length - 1] == ']';
    if (colon && length && length < sizeof address) {
        snprintf(address, sizeof address, "%.*s", (int)(bracketed ? length - 2 : length),
                 bracketed ? listen + 1 : listen);
        char *end;
        long port = strtol(colon + 1, &end, 10);
        if (isdigit((unsigned char)colon[1]) && !*end && port >= 0 && port <= 65535 &&
            inet_pton(bracketed ? AF_INET6 : AF_INET, address, binary) == 1)
            return true;
    }
    snprintf(message, bytes, "must be ADDRESS:PORT, as in \"127.0.0.1:8080\" or \"[::1]:8080\"");
    return false;
}

bool schema_check_path(const void *value, char *message, size_t bytes)
{
    const char *path = *(const char *const *)value;
    if (!path)
        return true;
    if (path[0] != '/') {
        snprintf(message, bytes, "must begin with '/'");
        return false;
    }
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127) {
            snprintf(message, bytes, "must not hold spaces or control characters");
            return false;
        }
    return true;
}
