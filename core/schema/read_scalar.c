/* Reading one value without parts. */
#include "base/clock.h"
#include "schema/input.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

void input_wanted(struct input *input, const json_t *value, const char *what)
{
    FAULT(input, "must be %s, not %s", what, json_type_name(value));
}

static bool number_in_range(struct input *input, const struct field *field, int64_t number,
                            const char *low, const char *high)
{
    if ((!field->min && !field->max) || (number >= field->min && number <= field->max))
        return true;
    FAULT(input, "must be from %s to %s", low, high);
    return false;
}

static void input_int(struct input *input, const struct field *field, int64_t *out,
                      const json_t *value)
{
    char low[24], high[24];
    if (json_is_real(value)) {
        FAULT(input, "must be a whole number, not a fraction");
        return;
    }
    if (!json_is_integer(value)) {
        input_wanted(input, value, "a whole number");
        return;
    }
    int64_t number = json_integer_value(value);
    snprintf(low, sizeof low, "%lld", (long long)field->min);
    snprintf(high, sizeof high, "%lld", (long long)field->max);
    if (number_in_range(input, field, number, low, high))
        *out = number;
}

static void input_duration(struct input *input, const struct field *field, uint64_t *out,
                           const json_t *value)
{
    uint64_t ns = 0;
    bool good = false;
    char low[CLOCK_TEXT_BYTES], high[CLOCK_TEXT_BYTES];
    if (json_is_string(value)) {
        good = clock_parse_duration_ns(json_string_value(value), &ns) && ns <= INT64_MAX;
    } else if (json_is_number(value)) {
        double seconds = json_number_value(value);
        good = seconds >= 0 && seconds < 9e9;
        ns = good ? (uint64_t)llround(seconds * 1e9) : 0;
    } else {
        input_wanted(input, value, "a duration (\"500ms\", \"1m30s\") or seconds");
        return;
    }
    if (!good) {
        FAULT(input, "is no duration: \"500ms\", \"1m30s\" or seconds as a number");
        return;
    }
    clock_format_duration_ns((uint64_t)field->min, low);
    clock_format_duration_ns((uint64_t)field->max, high);
    if (number_in_range(input, field, (int64_t)ns, low, high))
        *out = ns;
}

static void input_cpu(struct input *input, const struct field *field, int64_t *out,
                      const json_t *value)
{
    int64_t millis = -1;
    char low[SCHEMA_NUMBER_BYTES], high[SCHEMA_NUMBER_BYTES];
    bool good = false;
    if (json_is_string(value)) {
        good = schema_parse_cpu(json_string_value(value), &millis);
    } else if (json_is_number(value)) {
        double cores = json_number_value(value);
        good = cores >= 0 && cores < 1e9;
        millis = good ? llround(cores * 1000) : 0;
        good = good && fabs(cores * 1000 - (double)millis) < 1e-6; /* no finer than 1m */
    } else {
        input_wanted(input, value, "CPU (\"250m\") or cores as a number");
        return;
    }
    if (!good)
        FAULT(input, "is no amount of CPU: \"250m\" or cores as a number");
    else if (number_in_range(input, field, millis, schema_format_cpu(field->min, low),
                             schema_format_cpu(field->max, high)))
        *out = millis;
}

static void input_memory(struct input *input, const struct field *field, int64_t *out,
                         const json_t *value)
{
    int64_t bytes = -1;
    char low[SCHEMA_NUMBER_BYTES], high[SCHEMA_NUMBER_BYTES];
    bool good = false;
    if (json_is_string(value)) {
        good = schema_parse_memory(json_string_value(value), &bytes);
    } else if (json_is_integer(value)) {
        bytes = json_integer_value(value);
        good = bytes >= 0;
    } else {
        input_wanted(input, value, "memory (\"64Mi\", \"1G\") or bytes");
        return;
    }
    if (!good)
        FAULT(input, "is no amount of memory: \"64Mi\", \"1G\" or bytes as a number");
    else if (number_in_range(input, field, bytes, schema_format_memory(field->min, low),
                             schema_format_memory(field->max, high)))
        *out = bytes;
}

static void input_enum(struct input *input, const struct field *field, uint8_t *out,
                       const json_t *value)
{
    size_t count = 0;
    char list[160] = "";
    if (!json_is_string(value)) {
        input_wanted(input, value, "a word");
        return;
    }
    const char *word = json_string_value(value);
    for (; field->words[count]; count++) {
        if (strcmp(field->words[count], word) == 0) {
            *out = (uint8_t)(count + 1);
            return;
        }
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", count ? ", " : "",
                 field->words[count]);
    }
    const char *near = text_nearest(word, field->words, count);
    FAULT(input, "\"%.40s\" is none of: %s%s%s%s", word, list, near ? "; did you mean \"" : "",
          near ? near : "", near ? "\"?" : "");
}

static void input_amount(struct input *input, struct amount *out, const json_t *value)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) <= 1000000) {
        *out = (struct amount){.value = (int32_t)json_integer_value(value)};
        return;
    }
    if (json_is_string(value)) {
        char *end;
        const char *text = json_string_value(value);
        long percent = strtol(text, &end, 10);
        if (text[0] >= '0' && text[0] <= '9' && strcmp(end, "%") == 0 && percent >= 0 &&
            percent <= 1000) {
            *out = (struct amount){.value = (int32_t)percent, .percent = true};
            return;
        }
    }
    FAULT(input, "must be a count (0 to 1000000) or a percentage such as \"25%%\"");
}

static void input_port_ref(struct input *input, struct port_ref *out, const json_t *value)
{
    if (json_is_integer(value) && json_integer_value(value) >= 1 &&
        json_integer_value(value) <= 65535)
        *out = (struct port_ref){.number = (uint16_t)json_integer_value(value)};
    else if (json_is_string(value) && schema_is_name(json_string_value(value)))
        *out = (struct port_ref){.name = arena_strdup(input->arena, json_string_value(value))};
    else
        FAULT(input, "must be a port's number (1 to 65535) or its name");
}

void input_string(struct input *input, const struct field *field, const char **out,
                  const json_t *value)
{
    if (!json_is_string(value)) {
        input_wanted(input, value, "a string");
        return;
    }
    size_t length = json_string_length(value);
    if (field->max && (length < (size_t)field->min || length > (size_t)field->max)) {
        FAULT(input, "must have %lld to %lld bytes, not %zu", (long long)field->min,
              (long long)field->max, length);
        return;
    }
    *out = arena_strndup(input->arena, json_string_value(value), length);
}

static void input_time(struct input *input, int64_t *out, const json_t *value)
{
    if (!json_is_string(value) || !clock_parse_wall_ms(json_string_value(value), out))
        FAULT(input, "must be a time such as \"2026-01-31T12:00:00Z\"");
}

void input_scalar(struct input *input, const struct field *field, void *at, const json_t *value)
{
    switch (field->kind) {
    case FIELD_STRING:
        input_string(input, field, at, value);
        return;
    case FIELD_INT:
        input_int(input, field, at, value);
        return;
    case FIELD_BOOL:
        if (json_is_boolean(value))
            *(bool *)at = json_is_true(value);
        else
            input_wanted(input, value, "true or false");
        return;
    case FIELD_DURATION:
        input_duration(input, field, at, value);
        return;
    case FIELD_CPU:
        input_cpu(input, field, at, value);
        return;
    case FIELD_MEMORY:
        input_memory(input, field, at, value);
        return;
    case FIELD_TIME:
        input_time(input, at, value);
        return;
    case FIELD_ENUM:
        input_enum(input, field, at, value);
        return;
    case FIELD_AMOUNT:
        input_amount(input, at, value);
        return;
    case FIELD_PORT_REF:
        input_port_ref(input, at, value);
        return;
    case FIELD_OBJECT:
    case FIELD_POINTER:
    case FIELD_OBJECTS:
    case FIELD_STRINGS:
    case FIELD_MAP:
    case FIELD_JSON:
        assert(false && "a kind with parts");
    }
}
