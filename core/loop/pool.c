#include "loop/impl.h"

#include <assert.h>
#include <stdlib.h>

enum { POOL_THREADS_LIMIT = 8 }; /* those that never came back included */

struct pool_thread {
    struct pool *pool;
    pthread_t thread;
    struct loop_job *job; /* under way */
    bool abandoned;       /* another has taken its place */
};
struct pool {
    struct queue queue;
    pthread_mutex_t lock; /* of all below */
    struct pool_thread *threads[POOL_THREADS_LIMIT];
    unsigned count;
    unsigned references; /* the owner's, and one of each abandoned thread */
    bool gone;           /* so is the loop */
};

/* Called with the lock, which it gives back. */
static void release(struct pool *pool)
{
    bool last = --pool->references == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static void job_completed(struct loop_task *task)
{
    struct loop_job *job = CONTAINER_OF(task, struct loop_job, completion);
    job->done(job);
}

/* True: the thread is still the pool's. */
static bool do_job(struct pool_thread *self, struct loop_job *job)
{
    struct pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    self->job = job;
    pthread_mutex_unlock(&pool->lock);
    job->work(job);
    pthread_mutex_lock(&pool->lock);
    self->job = NULL;
    if (!pool->gone) {
        job->completion = (struct loop_task){.run = job_completed, .name = job->name};
        loop_post(job->loop, &job->completion);
    }
    if (self->abandoned) {
        release(pool);
        free(self);
        return false;
    }
    pthread_mutex_unlock(&pool->lock);
    return true;
}

static void *pool_thread(void *argument)
{
    struct pool_thread *self = argument;
    struct queue *queue = &self->pool->queue;
    struct queue_node *node;
    while ((node = queue_pop_wait(queue)))
        if (!do_job(self, CONTAINER_OF(node, struct loop_job, node)))
            break;
    return NULL;
}

static bool start_thread(struct pool *pool, unsigned at)
{
    struct pool_thread *thread = memory_alloc(sizeof *thread);
    thread->pool = pool;
    if (pthread_create(&thread->thread, NULL, pool_thread, thread) != 0) {
        free(thread);
        return false;
    }
    pool->threads[at] = thread;
    return true;
}

struct pool *pool_create(unsigned threads)
{
    struct pool *pool = memory_alloc(sizeof *pool);
    queue_init(&pool->queue, LOOP_POOL_LIMIT);
    pthread_mutex_init(&pool->lock, NULL);
    pool->references = 1;
    assert(threads <= POOL_THREADS_LIMIT);
    while (pool->count < threads && start_thread(pool, pool->count))
        pool->count++;
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
    for (unsigned i = 0; i < pool->count; i++) {
        pthread_join(pool->threads[i]->thread, NULL);
        free(pool->threads[i]);
    }
    pthread_mutex_lock(&pool->lock);
    pool->gone = true;
    queue_finish(&pool->queue);
    release(pool);
}

bool pool_submit(struct pool *pool, struct loop_job *job)
{
    return queue_push(&pool->queue, &job->node, NULL);
}

void pool_abandon(struct pool *pool, const struct loop_job *job)
{
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->count; i++) {
        struct pool_thread *thread = pool->threads[i];
        /* Beyond the limit the pool has a thread less. */
        if (thread->job != job || pool->references >= POOL_THREADS_LIMIT - 1)
            continue;
        if (!start_thread(pool, i))
            break;
        thread->abandoned = true;
        pool->references++;
        pthread_detach(thread->thread);
        break;
    }
    pthread_mutex_unlock(&pool->lock);
}
