/* When a proxy leaves an endpoint out by what it sees on it: the settings. */
#include "service/service.h"

#include <stdio.h>

static bool check_percent(const void *value, char *message, size_t bytes)
{
    const struct amount *amount = value;
    if (amount->percent && amount->value <= 100)
        return true;
    snprintf(message, bytes, "must be a percentage of at most 100%%, as in \"50%%\"");
    return false;
}

static bool check_times(const void *value, char *message, size_t bytes)
{
    const struct ejection *ejection = value;
    if (ejection->max_time_ns >= ejection->time_ns)
        return true;
    snprintf(message, bytes, "maxTime must not be shorter than time");
    return false;
}

#define AT(member) offsetof(struct ejection, member)
static const struct field ejection_fields[] = {
    {.name = "failures",
     .kind = FIELD_INT,
     .offset = AT(failures),
     .min = 0,
     .max = 1000,
     .initial = "5",
     .doc = "So many failures in a row; 0: none are counted."},
    {.name = "failureRate",
     .kind = FIELD_AMOUNT,
     .offset = AT(failure_rate),
     .initial = "\"0%\"",
     .check = check_percent,
     .doc = "This share of at least 20 within interval; 0%: no share is looked at."},
    {.name = "interval",
     .kind = FIELD_DURATION,
     .offset = AT(interval_ns),
     .min = 1000000000,
     .max = INT64_C(3600000000000),
     .initial = "\"10s\"",
     .doc = "Over which failureRate is looked at."},
    {.name = "time",
     .kind = FIELD_DURATION,
     .offset = AT(time_ns),
     .min = 100000000,
     .max = INT64_C(3600000000000),
     .initial = "\"10s\"",
     .doc = "How long it is left out at first; so much longer each time that it fails again."},
    {.name = "maxTime",
     .kind = FIELD_DURATION,
     .offset = AT(max_time_ns),
     .min = 100000000,
     .max = INT64_C(86400000000000),
     .initial = "\"5m\"",
     .doc = "The longest."},
    {.name = "maxShare",
     .kind = FIELD_AMOUNT,
     .offset = AT(max_share),
     .initial = "\"50%\"",
     .check = check_percent,
     .doc = "Of the endpoints, at least one; 0%: none is left out. When all fail, all are used."},
};
#undef AT
const struct type ejection_type = {
    .name = "Ejection",
    .size = sizeof(struct ejection),
    TYPE_FIELDS(ejection_fields),
    .check = check_times,
    .doc = "When a proxy leaves an endpoint out by what it sees on it: connects that fail, replies "
           "that are cut, late or 5xx. It comes back by a probe, on trial."};
