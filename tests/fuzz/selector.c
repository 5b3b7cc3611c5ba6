/* Label selectors: what is accepted has label keys, and a term and its opposite never agree. */
#include "fuzz.h"
#include "schema/schema.h"

static const struct map_entry entries[] = {{"app", "web"}, {"empty", ""}, {"tier", "front"}};
static const struct list labels = {entries, sizeof entries / sizeof entries[0]};

static void check_opposite(const struct selector_term *term, bool holds)
{
    struct selector opposite = {.terms = {*term}, .count = 1};
    switch (term->op) {
    case SELECTOR_EQUAL:
        opposite.terms[0].op = SELECTOR_NOT_EQUAL;
        break;
    case SELECTOR_NOT_EQUAL:
        opposite.terms[0].op = SELECTOR_EQUAL;
        break;
    case SELECTOR_EXISTS:
        opposite.terms[0].op = SELECTOR_MISSING;
        break;
    case SELECTOR_MISSING:
        opposite.terms[0].op = SELECTOR_EXISTS;
        break;
    }
    PROMISE(selector_matches(&opposite, &labels) == !holds, "both hold: %s", term->key);
}

static void check(const struct selector *selector)
{
    bool all = true;
    for (size_t i = 0; i < selector->count; i++) {
        const struct selector one = {.terms = {selector->terms[i]}, .count = 1};
        PROMISE(schema_is_label_key(one.terms[0].key), "no label's key: %s", one.terms[0].key);
        bool holds = selector_matches(&one, &labels);
        check_opposite(&one.terms[0], holds);
        all &= holds;
    }
    PROMISE(selector_matches(selector, &labels) == all, "the whole is not its parts");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct selector selector;
    struct error error = {0};
    char *text = fuzz_string(data, size);
    if (selector_parse(text, &arena, &selector, &error))
        check(&selector);
    free(text);
    arena_finish(&arena);
    return 0;
}
