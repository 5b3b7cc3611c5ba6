#include "base/queue.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

struct item {
    struct queue_node node;
    int producer, number;
};

static int number_of(struct queue_node *node)
{
    return CONTAINER_OF(node, struct item, node)->number;
}

Test(queue, is_first_in_first_out)
{
    struct queue queue;
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    bool was_empty;
    queue_init(&queue, 10);
    cr_assert_null(queue_pop(&queue));
    cr_assert(queue_push(&queue, &items[0].node, &was_empty));
    cr_assert(was_empty);
    cr_assert(queue_push(&queue, &items[1].node, &was_empty));
    cr_assert_not(was_empty);
    cr_assert(queue_push(&queue, &items[2].node, NULL));
    cr_assert_eq(queue_count(&queue), 3);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(number_of(queue_pop(&queue)), i);
    cr_assert_null(queue_pop(&queue));
    queue_finish(&queue);
}

Test(queue, refuses_beyond_its_limit)
{
    struct queue queue;
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    queue_init(&queue, 2);
    cr_assert(queue_push(&queue, &items[0].node, NULL));
    cr_assert(queue_push(&queue, &items[1].node, NULL));
    cr_assert_not(queue_push(&queue, &items[2].node, NULL));
    cr_assert_eq(queue_count(&queue), 2);
    queue_pop(&queue);
    cr_assert(queue_push(&queue, &items[2].node, NULL));
    queue_take_all(&queue);
    queue_finish(&queue);
}

Test(queue, gives_all_of_it_at_once_in_order)
{
    struct queue queue;
    struct item items[5];
    queue_init(&queue, 5);
    cr_assert_null(queue_take_all(&queue));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        queue_push(&queue, &items[i].node, NULL);
    }
    int expected = 0;
    for (struct queue_node *node = queue_take_all(&queue); node; node = node->next)
        cr_assert_eq(number_of(node), expected++);
    cr_assert_eq(expected, 5);
    cr_assert_eq(queue_count(&queue), 0);
    queue_finish(&queue);
}

Test(queue, once_closed_takes_nothing_and_gives_what_it_has)
{
    struct queue queue;
    struct item first = {.number = 1}, late = {.number = 2};
    queue_init(&queue, 5);
    queue_push(&queue, &first.node, NULL);
    queue_close(&queue);
    cr_assert_not(queue_push(&queue, &late.node, NULL));
    cr_assert_eq(number_of(queue_pop_wait(&queue)), 1);
    cr_assert_null(queue_pop_wait(&queue));
    queue_finish(&queue);
}

enum { PRODUCERS = 4, EACH = 5000 };
struct producer {
    pthread_t thread;
    struct queue *queue;
    struct item *items;
    int number;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (int i = 0; i < EACH; i++) {
        struct item *item = &producer->items[i];
        *item = (struct item){.producer = producer->number, .number = i};
        while (!queue_push(producer->queue, &item->node, NULL))
            sched_yield();
    }
    return NULL;
}

Test(queue, loses_and_doubles_nothing_of_many_producers_and_keeps_the_order_of_each)
{
    struct queue queue;
    struct producer producers[PRODUCERS];
    int next[PRODUCERS] = {0};
    queue_init(&queue, 64);
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){
            .queue = &queue, .number = i, .items = memory_alloc(EACH * sizeof(struct item))};
        cr_assert_eq(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    for (int received = 0; received < PRODUCERS * EACH; received++) {
        struct item *item = CONTAINER_OF(queue_pop_wait(&queue), struct item, node);
        cr_assert_eq(item->number, next[item->producer]);
        next[item->producer]++;
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        memory_free_pointer(&producers[i].items);
    }
    cr_assert_eq(queue_count(&queue), 0);
    queue_finish(&queue);
}

static void *consume(void *argument)
{
    struct queue *queue = argument;
    while (queue_pop_wait(queue))
        continue;
    return NULL;
}

Test(queue, closing_wakes_the_consumer, .timeout = 30)
{
    struct queue queue;
    pthread_t thread;
    queue_init(&queue, 4);
    cr_assert_eq(pthread_create(&thread, NULL, consume, &queue), 0);
    queue_close(&queue);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    queue_finish(&queue);
}
