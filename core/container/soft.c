/* Soft states, kept small: found by id and by node, texts in one block of what they need. */
#include "container/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct soft *soft_of(struct hash_table_node *node)
{
    return node ? CONTAINER_OF(node, struct soft, in_table) : NULL;
}

struct soft *soft_find(struct container_manager *manager, const char *id)
{
    struct hash_table_node *node = hash_table_first(&manager->soft, hash_table_hash(id));
    while (node && strcmp(soft_of(node)->record->id, id) != 0)
        node = hash_table_next(node);
    if (node)
        manager->latest = soft_of(node);
    return soft_of(node);
}

struct soft *container_soft(struct container_manager *manager, const struct container *container)
{
    struct soft *latest = manager->latest;
    return latest && latest->record == container ? latest : soft_find(manager, container->id);
}

static struct node_softs *node_of(struct container_manager *manager, const char *name)
{
    struct node_softs *node = NULL;
    HASH_FIND_STR(manager->by_node, name, node);
    return node;
}

struct soft *soft_of_node(struct container_manager *manager, const char *name)
{
    struct node_softs *node = node_of(manager, name);
    return node ? node->first : NULL;
}

static void link_to_node(struct container_manager *manager, struct soft *soft)
{
    struct node_softs *node = node_of(manager, soft->record->node);
    if (!node) {
        node = memory_alloc(sizeof *node);
        snprintf(node->node, sizeof node->node, "%s", soft->record->node);
        HASH_ADD_STR(manager->by_node, node, node);
    }
    soft->previous_on_node = node->last;
    if (node->last)
        node->last->next_on_node = soft;
    else
        node->first = soft;
    node->last = soft;
}

static void unlink_from_node(struct container_manager *manager, struct soft *soft)
{
    struct node_softs *node = node_of(manager, soft->record->node);
    if (soft->previous_on_node)
        soft->previous_on_node->next_on_node = soft->next_on_node;
    else
        node->first = soft->next_on_node;
    if (soft->next_on_node)
        soft->next_on_node->previous_on_node = soft->previous_on_node;
    else
        node->last = soft->previous_on_node;
    if (node->first)
        return;
    HASH_DEL(manager->by_node, node);
    free(node);
}

struct soft *soft_add(struct container_manager *manager, const struct container *container)
{
    struct soft *soft = memory_alloc(sizeof *soft);
    soft->record = container;
    soft->state = container->failed                  ? CONTAINER_FAILED
                  : container->intent == INTENT_STOP ? CONTAINER_STOPPING
                                                     : CONTAINER_PENDING;
    soft->seq = container->record.seq;
    if (container->failed && container->ends.count)
        soft_set_words(
            soft,
            &(struct words){.reason = LIST_AT(container->ends, struct container_end, 0)->reason});
    manager->by_state[soft->state]++;
    hash_table_add(&manager->soft, &soft->in_table, hash_table_hash(container->id));
    link_to_node(manager, soft);
    return soft;
}

static void free_soft(struct soft *soft)
{
    free(soft->words);
    free(soft->times);
    free(soft);
}

void soft_remove(struct container_manager *manager, struct soft *soft)
{
    manager->by_state[soft->state]--;
    if (manager->latest == soft)
        manager->latest = NULL;
    hash_table_remove(&manager->soft, &soft->in_table);
    unlink_from_node(manager, soft);
    free_soft(soft);
}

void softs_finish(struct container_manager *manager)
{
    struct node_softs *node, *next;
    HASH_ITER(hh, manager->by_node, node, next)
    {
        while (node->first) {
            struct soft *after = node->first->next_on_node;
            free_soft(node->first);
            node->first = after;
        }
        HASH_DEL(manager->by_node, node);
        free(node);
    }
    hash_table_finish(&manager->soft);
}

/* -- texts: reason, message and address, each ended by 0; then the runtime's id: 'x' and half as
 * many bytes as hex digits, their number first, or 's' and the text -- */

enum { WORD_TEXTS = 3 };

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_hex(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (hex_digit(text[i]) < 0)
            return false;
    return length && length % 2 == 0;
}

static size_t write_id(const char *id, size_t length, char *to)
{
    if (!is_hex(id, length)) {
        to[0] = 's';
        memcpy(to + 1, id, length + 1);
        return length + 2;
    }
    to[0] = 'x';
    to[1] = (char)(length / 2);
    for (size_t i = 0; i < length / 2; i++)
        to[2 + i] =
            (char)((unsigned)hex_digit(id[2 * i]) << 4 | (unsigned)hex_digit(id[2 * i + 1]));
    return 2 + length / 2;
}

static void read_id(const char *from, char *out, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = from[0] == 'x' ? (unsigned char)from[1] : 0;
    if (!count) {
        snprintf(out, bytes, "%s", from + 1);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = (unsigned char)from[2 + i];
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[2 * count] = 0;
}

static size_t cut(const char *text, size_t bytes)
{
    return text ? strnlen(text, bytes - 1) : 0;
}

void soft_set_words(struct soft *soft, const struct words *words)
{
    static const struct container_status *const of = NULL;
    const char *texts[WORD_TEXTS] = {words->reason, words->message, words->address};
    const size_t sizes[WORD_TEXTS] = {sizeof of->reason, sizeof of->message, sizeof of->address};
    char block[sizeof *of + 8], id[sizeof of->runtime_id];
    size_t used = 0;
    for (int i = 0; i < WORD_TEXTS; i++) {
        size_t length = cut(texts[i], sizes[i]);
        if (length)
            memcpy(block + used, texts[i], length);
        block[used + length] = 0;
        used += length + 1;
    }
    snprintf(id, sizeof id, "%s", words->runtime_id ? words->runtime_id : "");
    used += write_id(id, strlen(id), block + used);
    char *old = soft->words; /* the new ones may be borrowed from it */
    soft->words = memcpy(memory_alloc(used), block, used);
    free(old);
}

static const char *text_at(const struct soft *soft, int which)
{
    const char *at = soft->words;
    for (; at && which; which--)
        at += strlen(at) + 1;
    return at ? at : "";
}

const char *soft_reason(const struct soft *soft)
{
    return text_at(soft, 0);
}

const char *soft_address(const struct soft *soft)
{
    return text_at(soft, 2);
}

void soft_read_words(const struct soft *soft, struct container_status *out)
{
    out->reason[0] = out->message[0] = out->address[0] = out->runtime_id[0] = 0;
    if (!soft->words)
        return;
    snprintf(out->reason, sizeof out->reason, "%s", text_at(soft, 0));
    snprintf(out->message, sizeof out->message, "%s", text_at(soft, 1));
    snprintf(out->address, sizeof out->address, "%s", text_at(soft, 2));
    read_id(text_at(soft, WORD_TEXTS), out->runtime_id, sizeof out->runtime_id);
}
