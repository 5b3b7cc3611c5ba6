/* The target of a request, decoded by us from the bytes that came: what isn't plain is refused,
 * before anything is looked up. */
#include "api/impl.h"

#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In place. NULL: what is wrong. */
static const char *decode(char *text, bool plus_is_space)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in == '%') {
            int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
            if (low < 0)
                return "a % is not followed by two hex digits";
            *out++ = (char)(high * 16 + low);
            in += 2;
        } else {
            *out++ = plus_is_space && *in == '+' ? ' ' : *in;
        }
        unsigned char c = (unsigned char)out[-1];
        if (c < 0x20 || c == 0x7f)
            return "it has a control character";
    }
    *out = 0;
    return text_is_utf8(text, (size_t)(out - text)) ? NULL : "it is not UTF-8";
}

static bool is_dots(const char *segment)
{
    return strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;
}

static bool parse_path(char *path, struct uri *out, struct error *error)
{
    char *rest = path + 1, *segment;
    while ((segment = strsep(&rest, "/"))) {
        const char *fault = decode(segment, false);
        if (!fault && (strchr(segment, '/') || strchr(segment, '\\')))
            fault = "it has a slash within a part";
        if (!fault && is_dots(segment))
            fault = "it has a dot segment";
        if (!fault && out->segment_count == URI_SEGMENTS)
            fault = "it has too many parts";
        if (fault)
            return error_set(error, ERROR_VALIDATION, "the path is refused: %s", fault);
        out->segments[out->segment_count++] = segment;
    }
    return true;
}

static bool parse_query(char *query, struct uri *out, struct error *error)
{
    char *part;
    while ((part = strsep(&query, "&"))) {
        if (!*part)
            continue;
        char *name = strsep(&part, "=");
        char *value = part ? part : name + strlen(name);
        const char *fault = decode(name, true);
        if (!fault)
            fault = decode(value, true);
        if (!fault && out->parameter_count == URI_PARAMETERS)
            fault = "it has too many parameters";
        if (fault)
            return error_set(error, ERROR_VALIDATION, "the query is refused: %s", fault);
        out->parameters[out->parameter_count++] = (struct uri_parameter){name, value};
    }
    return true;
}

static bool is_plain(const char *raw)
{
    for (; *raw; raw++) {
        unsigned char c = (unsigned char)*raw;
        if (c <= 0x20 || c >= 0x7f || strchr("\"#<>\\^`{|}", c))
            return false;
    }
    return true;
}

bool uri_parse(const char *raw, struct arena *arena, struct uri *out, struct error *error)
{
    if (strncasecmp(raw, "http://", 7) == 0 || strncasecmp(raw, "https://", 8) == 0) {
        const char *path = strchr(strstr(raw, "//") + 2, '/'); /* RFC 9112: the absolute form */
        raw = path ? path : "/";
    }
    if (*raw != '/' || !is_plain(raw))
        return error_set(error, ERROR_VALIDATION,
                         "the request's target is not a path of plain characters that begins with "
                         "a slash; others are written as %%XX");
    char *path = arena_strdup(arena, raw);
    char *query = strchr(path, '?');
    if (query)
        *query++ = 0;
    return parse_path(path, out, error) && (!query || parse_query(query, out, error));
}
