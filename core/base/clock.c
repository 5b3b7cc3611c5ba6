#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

char *clock_format_wall_ms(int64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    int64_t ms = wall_ms % 1000;
    if (ms < 0)
        ms += 1000;
    time_t seconds = (time_t)((wall_ms - ms) / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(out, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + length, CLOCK_TEXT_BYTES - length, ".%03dZ", (int)ms);
    return out;
}

bool clock_parse_wall_ms(const char *text, int64_t *wall_ms)
{
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest)
        return false;
    int64_t ms = 0, scale = 100;
    if (*rest == '.')
        for (rest++; isdigit((unsigned char)*rest); rest++, scale /= 10)
            ms += (*rest - '0') * scale;
    int64_t offset_s = 0;
    int hours, minutes, used = 0;
    if (*rest == 'Z' || *rest == 'z') {
        rest++;
    } else if ((*rest == '+' || *rest == '-') &&
               sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) == 2) {
        offset_s = (*rest == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
        rest += 1 + used;
    } else {
        return false;
    }
    if (*rest)
        return false;
    *wall_ms = ((int64_t)timegm(&parts) - offset_s) * 1000 + ms;
    return true;
}

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {{"d", 86400 * NS_PER_SECOND},
             {"h", 3600 * NS_PER_SECOND},
             {"m", 60 * NS_PER_SECOND},
             {"s", NS_PER_SECOND},
             {"ms", NS_PER_MS},
             {"us", NS_PER_US},
             {"ns", 1}};
enum { UNIT_COUNT = sizeof units / sizeof units[0] };

char *clock_format_duration_ns(uint64_t ns, char out[CLOCK_TEXT_BYTES])
{
    if (!ns)
        return strcpy(out, "0s");
    size_t length = 0;
    for (int i = 1; i < UNIT_COUNT && ns; i++) { /* days are read, not written */
        if (ns < units[i].ns)
            continue;
        length += (size_t)snprintf(out + length, CLOCK_TEXT_BYTES - length, "%llu%s",
                                   (unsigned long long)(ns / units[i].ns), units[i].name);
        ns %= units[i].ns;
    }
    return out;
}

/* Digits with an optional fraction, in units of `unit` below. Exact: no floating point. */
static bool parse_part(const char **text, uint64_t *ns, int *last_unit)
{
    const char *p = *text;
    uint64_t whole = 0, fraction = 0, fraction_scale = 1;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++) {
        if (whole > UINT64_MAX / 10 - 9)
            return false;
        whole = whole * 10 + (uint64_t)(*p - '0');
    }
    if (*p == '.') {
        if (!isdigit((unsigned char)*++p))
            return false;
        for (; isdigit((unsigned char)*p); p++)
            if (fraction_scale < NS_PER_SECOND) {
                fraction = fraction * 10 + (uint64_t)(*p - '0');
                fraction_scale *= 10;
            }
    }
    for (int i = UNIT_COUNT - 1; i > *last_unit; i--) { /* longest names first: "ms" before "m" */
        size_t length = strlen(units[i].name);
        if (strncmp(p, units[i].name, length) != 0 || isalpha((unsigned char)p[length]))
            continue;
        if (whole > UINT64_MAX / units[i].ns)
            return false;
        uint64_t part = whole * units[i].ns;
        uint64_t rest = (uint64_t)((__uint128_t)fraction * units[i].ns / fraction_scale);
        if (part > UINT64_MAX - rest || *ns > UINT64_MAX - part - rest)
            return false;
        *ns += part + rest;
        *last_unit = i;
        *text = p + length;
        return true;
    }
    return false;
}

bool clock_parse_duration_ns(const char *text, uint64_t *ns)
{
    uint64_t sum = 0;
    int last_unit = -1;
    if (!*text)
        return false;
    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return true;
    }
    while (*text)
        if (!parse_part(&text, &sum, &last_unit))
            return false;
    *ns = sum;
    return true;
}
