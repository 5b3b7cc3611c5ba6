/* Labels of all nodes as codes of a dictionary, made when a pass first wants one. */
#include "base/hash.h"
#include "scheduler/impl.h"

#include <stdlib.h>
#include <string.h>

/* Words by open addressing: hostname-like labels have as many words as there are nodes. */
struct dictionary {
    uint32_t *slots; /* code + 1; 0: empty */
    uint32_t room;
};

static uint32_t code_of(struct dictionary *dictionary, struct label_codes *label, const char *value)
{
    uint32_t at = (uint32_t)hash_text(value) & (dictionary->room - 1);
    for (; dictionary->slots[at]; at = (at + 1) & (dictionary->room - 1))
        if (strcmp(label->words[dictionary->slots[at] - 1].ptr, value) == 0)
            return dictionary->slots[at] - 1;
    label->words[label->word_count] = (struct orch_str){value, strlen(value)};
    dictionary->slots[at] = ++label->word_count;
    return label->word_count - 1;
}

static struct label_codes *code_label(struct frozen_columns *frozen, struct orch_str key)
{
    CLEANUP(arena_finish) struct arena scratch = {0};
    struct arena *arena = &frozen->arena;
    size_t room = (size_t)frozen->count + 1;
    struct label_codes *label = arena_alloc(arena, sizeof *label);
    struct dictionary dictionary = {.room = 16};
    while (dictionary.room < 2 * room)
        dictionary.room *= 2;
    dictionary.slots = arena_alloc(&scratch, dictionary.room * sizeof *dictionary.slots);
    label->key = arena_strndup(arena, key.ptr, key.len);
    label->codes = arena_alloc(arena, room * sizeof *label->codes);
    label->words = arena_alloc(arena, room * sizeof *label->words);
    for (uint32_t i = 0; i < frozen->count; i++) {
        const char *value = map_get(&frozen->records[i]->labels, label->key);
        label->codes[i] = value ? code_of(&dictionary, label, value) : UINT32_MAX;
    }
    return label;
}

const struct label_codes *frozen_label(struct frozen_columns *frozen, struct orch_str key)
{
    pthread_mutex_lock(&frozen->lock);
    struct label_codes *label = frozen->labels;
    while (label && (strlen(label->key) != key.len || memcmp(label->key, key.ptr, key.len) != 0))
        label = label->next;
    if (!label) {
        label = code_label(frozen, key);
        label->next = frozen->labels;
        frozen->labels = label;
    }
    pthread_mutex_unlock(&frozen->lock);
    return label;
}
