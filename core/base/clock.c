#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

char *clock_format_wall_ms(int64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    int64_t ms = wall_ms % 1000;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = (size_t)snprintf(out, CLOCK_TEXT_BYTES, "%04lld", parts.tm_year + 1900LL);
    length += strftime(out + length, CLOCK_TEXT_BYTES - length, "-%m-%dT%H:%M:%S", &parts);
    snprintf(out + length, CLOCK_TEXT_BYTES - length, ".%03dZ", (int)ms);
    return out;
}

/* Exactly `count` digits, moved over. */
static bool take_number(const char **text, int count, int least, int most, int *number)
{
    for (*number = 0; count > 0; count--, (*text)++) {
        if (!isdigit((unsigned char)**text))
            return false;
        *number = *number * 10 + (**text - '0');
    }
    return *number >= least && *number <= most;
}

static bool take_char(const char **text, char c)
{
    return **text == c && (*text)++;
}

static bool take_date_and_time(const char **text, struct tm *parts)
{
    static const char days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month;
    if (!take_number(text, 4, 0, 9999, &year) || !take_char(text, '-') ||
        !take_number(text, 2, 1, 12, &month) || !take_char(text, '-') ||
        !take_number(text, 2, 1, days[month - 1], &parts->tm_mday))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    parts->tm_year = year - 1900;
    parts->tm_mon = month - 1;
    return (leap || month != 2 || parts->tm_mday < 29) && take_char(text, 'T') &&
           take_number(text, 2, 0, 23, &parts->tm_hour) && take_char(text, ':') &&
           take_number(text, 2, 0, 59, &parts->tm_min) && take_char(text, ':') &&
           take_number(text, 2, 0, 60, &parts->tm_sec); /* 60: a leap second */
}

/* ".123456" cut to milliseconds; none is fine. */
static bool take_fraction(const char **text, int64_t *ms)
{
    int64_t scale = 100;
    *ms = 0;
    if (!take_char(text, '.'))
        return true;
    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++, scale /= 10)
        *ms += (**text - '0') * scale;
    return true;
}

static bool take_zone(const char **text, int64_t *offset_s)
{
    int hours, minutes, sign = **text == '-' ? -1 : 1;
    *offset_s = 0;
    if (take_char(text, 'Z') || take_char(text, 'z'))
        return true;
    if (!take_char(text, '+') && !take_char(text, '-'))
        return false;
    if (!take_number(text, 2, 0, 23, &hours) || !take_char(text, ':') ||
        !take_number(text, 2, 0, 59, &minutes))
        return false;
    *offset_s = (int64_t)sign * (hours * 3600 + minutes * 60);
    return true;
}

/* The first and the last instant with a year of four digits, which RFC 3339 wants. */
static const int64_t first_wall_ms = INT64_C(-62167219200000),
                     last_wall_ms = INT64_C(253402300799999);

bool clock_parse_wall_ms(const char *text, int64_t *wall_ms)
{
    struct tm parts = {0};
    int64_t ms, offset_s;
    if (!take_date_and_time(&text, &parts) || !take_fraction(&text, &ms) ||
        !take_zone(&text, &offset_s) || *text)
        return false;
    *wall_ms = ((int64_t)timegm(&parts) - offset_s) * 1000 + ms;
    return *wall_ms >= first_wall_ms && *wall_ms <= last_wall_ms; /* an offset may lead beyond */
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
