#include "schema/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t amount_of(struct amount amount, int64_t whole, bool round_up)
{
    if (!amount.percent)
        return amount.value;
    int64_t hundredths = amount.value * whole;
    return round_up ? (hundredths + 99) / 100 : hundredths / 100;
}

/* Decimal digits with up to `places` of a fraction, as an integer in units of 10^-places. */
static bool parse_decimal(const char **text, int places, int64_t *value)
{
    const char *p = *text;
    int64_t sum = 0;
    int digits = 0;
    for (; isdigit((unsigned char)*p); p++, digits++) {
        if (sum > INT64_MAX / 10 - 9)
            return false;
        sum = sum * 10 + (*p - '0');
    }
    if (!digits)
        return false;
    int left = places;
    if (*p == '.') {
        if (!isdigit((unsigned char)p[1]))
            return false;
        for (p++; isdigit((unsigned char)*p); p++) {
            if (left-- <= 0) {
                if (*p != '0')
                    return false; /* finer than can be kept */
                continue;
            }
            if (sum > INT64_MAX / 10 - 9)
                return false;
            sum = sum * 10 + (*p - '0');
        }
    }
    for (; left > 0; left--) {
        if (sum > INT64_MAX / 10)
            return false;
        sum *= 10;
    }
    *text = p;
    *value = sum;
    return true;
}

bool schema_parse_cpu(const char *text, int64_t *millis)
{
    int64_t value;
    const char *p = text;
    if (!parse_decimal(&p, 3, &value))
        return false;
    if (p[0] == 'm' && !p[1]) {
        if (value % 1000)
            return false;
        value /= 1000;
    } else if (*p) {
        return false;
    }
    *millis = value;
    return true;
}

static const struct {
    const char *name;
    int64_t bytes;
} memory_units[] = {{"Ki", INT64_C(1) << 10},
                    {"Mi", INT64_C(1) << 20},
                    {"Gi", INT64_C(1) << 30},
                    {"Ti", INT64_C(1) << 40},
                    {"k", 1000},
                    {"K", 1000},
                    {"M", 1000000},
                    {"G", 1000000000},
                    {"T", INT64_C(1000000000000)},
                    {"", 1}};

bool schema_parse_memory(const char *text, int64_t *bytes)
{
    int64_t thousandths;
    const char *p = text;
    if (!parse_decimal(&p, 3, &thousandths))
        return false;
    for (size_t i = 0; i < sizeof memory_units / sizeof memory_units[0]; i++) {
        if (strcmp(p, memory_units[i].name) != 0)
            continue;
        __int128_t product = (__int128_t)thousandths * memory_units[i].bytes;
        if (product % 1000 || product / 1000 > INT64_MAX)
            return false;
        *bytes = (int64_t)(product / 1000);
        return true;
    }
    return false;
}

char *schema_format_cpu(int64_t millis, char out[SCHEMA_NUMBER_BYTES])
{
    snprintf(out, SCHEMA_NUMBER_BYTES, millis % 1000 ? "%lldm" : "%lld",
             (long long)(millis % 1000 ? millis : millis / 1000));
    return out;
}

char *schema_format_memory(int64_t bytes, char out[SCHEMA_NUMBER_BYTES])
{
    int unit = 3;
    while (unit >= 0 && (bytes == 0 || bytes % memory_units[unit].bytes))
        unit--;
    snprintf(out, SCHEMA_NUMBER_BYTES, "%lld%s",
             (long long)(unit < 0 ? bytes : bytes / memory_units[unit].bytes),
             unit < 0 ? "" : memory_units[unit].name);
    return out;
}

const char *map_get(const struct list *map, const char *key)
{
    const struct map_entry *entries = map->items;
    uint32_t low = 0, high = map->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(entries[middle].key, key);
        if (order == 0)
            return entries[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
