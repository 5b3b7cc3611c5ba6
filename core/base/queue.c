#include "base/queue.h"

#include <assert.h>

void queue_init(struct queue *queue, size_t limit)
{
    *queue = (struct queue){.limit = limit};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->filled, NULL);
}

void queue_finish(struct queue *queue)
{
    assert(!queue->first);
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
}

bool queue_push(struct queue *queue, struct queue_node *take_node, bool *was_empty)
{
    pthread_mutex_lock(&queue->lock);
    bool accepted = !queue->closed && queue->count < queue->limit;
    if (was_empty)
        *was_empty = !queue->first;
    if (accepted) {
        take_node->next = NULL;
        if (queue->last)
            queue->last->next = take_node;
        else
            queue->first = take_node;
        queue->last = take_node;
        queue->count++;
        pthread_cond_signal(&queue->filled);
    }
    pthread_mutex_unlock(&queue->lock);
    return accepted;
}

static struct queue_node *pop_locked(struct queue *queue)
{
    struct queue_node *node = queue->first;
    if (!node)
        return NULL;
    queue->first = node->next;
    if (!queue->first)
        queue->last = NULL;
    queue->count--;
    node->next = NULL;
    return node;
}

struct queue_node *queue_pop(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct queue_node *node = pop_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return node;
}

struct queue_node *queue_pop_wait(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (!queue->first && !queue->closed)
        pthread_cond_wait(&queue->filled, &queue->lock);
    struct queue_node *node = pop_locked(queue);
    pthread_mutex_unlock(&queue->lock);
    return node;
}

struct queue_node *queue_take_all(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct queue_node *chain = queue->first;
    queue->first = queue->last = NULL;
    queue->count = 0;
    pthread_mutex_unlock(&queue->lock);
    return chain;
}

size_t queue_count(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}
