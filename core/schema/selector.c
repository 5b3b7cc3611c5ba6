#include "schema/schema.h"

#include <string.h>

static bool parse_term(char *word, struct selector_term *term)
{
    char *equal = strchr(word, '=');
    if (!equal) {
        term->op = word[0] == '!' ? SELECTOR_MISSING : SELECTOR_EXISTS;
        term->key = word[0] == '!' ? word + 1 : word;
        return schema_is_label_key(term->key);
    }
    bool negated = equal > word && equal[-1] == '!';
    term->op = negated ? SELECTOR_NOT_EQUAL : SELECTOR_EQUAL;
    equal[negated ? -1 : 0] = 0;
    *equal = 0;
    term->key = word;
    term->value = equal[1] == '=' ? equal + 2 : equal + 1;
    return schema_is_label_key(term->key) && !strpbrk(term->value, "=!");
}

bool selector_parse(const char *text, struct arena *arena, struct selector *out,
                    struct error *error)
{
    char *rest = arena_strdup(arena, text), *word;
    out->count = 0;
    while ((word = strsep(&rest, ","))) {
        if (out->count == sizeof out->terms / sizeof out->terms[0])
            return error_set(error, ERROR_VALIDATION, "a selector has at most 16 terms");
        if (!parse_term(word, &out->terms[out->count++]))
            return error_set(error, ERROR_VALIDATION,
                             "\"%s\" is no selector: k=v, k!=v, k or !k, joined by commas", text);
    }
    return true;
}

bool selector_matches(const struct selector *selector, const struct list *labels)
{
    for (size_t i = 0; i < selector->count; i++) {
        const struct selector_term *term = &selector->terms[i];
        const char *value = map_get(labels, term->key);
        bool holds = false;
        switch (term->op) {
        case SELECTOR_EQUAL:
            holds = value && strcmp(value, term->value) == 0;
            break;
        case SELECTOR_NOT_EQUAL:
            holds = !value || strcmp(value, term->value) != 0;
            break;
        case SELECTOR_EXISTS:
            holds = value != NULL;
            break;
        case SELECTOR_MISSING:
            holds = !value;
            break;
        }
        if (!holds)
            return false;
    }
    return true;
}
