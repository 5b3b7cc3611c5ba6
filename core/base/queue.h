/* A bounded queue between threads: many producers, one consumer, intrusive, FIFO.
 * It never waits for room: a full queue refuses, and the producer says so to its own caller. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct queue_node {
    struct queue_node *next;
};
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct queue_node *first, *last;
    size_t count, limit;
    bool closed;
};
void queue_init(struct queue *queue, size_t limit);
void queue_finish(struct queue *queue); /* must be empty */
/* False when full or closed; the node stays the caller's. `was_empty` (may be NULL) tells whether
 * the consumer needs waking. [any] */
bool queue_push(struct queue *queue, struct queue_node *take_node, bool *was_empty);
struct queue_node *queue_pop(struct queue *queue);      /* NULL when empty */
struct queue_node *queue_pop_wait(struct queue *queue); /* NULL once closed and empty */
struct queue_node *queue_take_all(struct queue *queue); /* the whole chain, in order, or NULL */
size_t queue_count(struct queue *queue);
void queue_close(struct queue *queue); /* wakes the consumer */

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
