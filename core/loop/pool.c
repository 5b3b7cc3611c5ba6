#include "loop/impl.h"

#include <assert.h>
#include <stdlib.h>

enum { POOL_THREADS_LIMIT = 8 };

struct pool {
    struct queue queue;
    pthread_t threads[POOL_THREADS_LIMIT];
    unsigned count;
};

static void job_completed(struct loop_task *task)
{
    struct loop_job *job = CONTAINER_OF(task, struct loop_job, completion);
    job->done(job);
}

static void *pool_thread(void *argument)
{
    struct pool *pool = argument;
    struct queue_node *node;
    while ((node = queue_pop_wait(&pool->queue))) {
        struct loop_job *job = CONTAINER_OF(node, struct loop_job, node);
        job->work(job);
        job->completion = (struct loop_task){.run = job_completed, .name = job->name};
        loop_post(job->loop, &job->completion);
    }
    return NULL;
}

struct pool *pool_create(unsigned threads)
{
    struct pool *pool = memory_alloc(sizeof *pool);
    queue_init(&pool->queue, LOOP_POOL_LIMIT);
    assert(threads <= POOL_THREADS_LIMIT);
    for (; pool->count < threads; pool->count++)
        if (pthread_create(&pool->threads[pool->count], NULL, pool_thread, pool) != 0)
            break;
    if (pool->count)
        return pool;
    pool_destroy(pool);
    return NULL;
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    queue_close(&pool->queue);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    queue_finish(&pool->queue);
    free(pool);
}

bool pool_submit(struct pool *pool, struct loop_job *job)
{
    return queue_push(&pool->queue, &job->node, NULL);
}
