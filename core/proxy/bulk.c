/* Bulk: bytes that go from socket to socket by way of a pipe, without being copied. Worth it for
 * transfers only: for small messages the two more calls cost more than the copy. A direction has a
 * pipe while its reads come full, and gives it back with the first short one. Their number is
 * bounded by the kernel (pipe-user-pages-soft); a direction that gets none goes on copying. */
#include "proxy/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIPE_BYTES = 1 << 20, SPARE_PIPES = 16 };

struct bulk_pipe {
    struct bulk_pipe *next; /* spare */
    int read_fd, write_fd;
};

static void free_pipe(struct bulk_pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
}

static struct bulk_pipe *make_pipe(void)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return NULL;
    struct bulk_pipe *pipe = memory_alloc(sizeof *pipe);
    *pipe = (struct bulk_pipe){.read_fd = ends[0], .write_fd = ends[1]};
    if (fcntl(pipe->write_fd, F_SETPIPE_SZ, PIPE_BYTES) == PIPE_BYTES)
        return pipe;
    free_pipe(pipe); /* the kernel's bound: a small one is no gain */
    return NULL;
}

void bulk_begin(struct worker *worker, struct bulk *bulk)
{
    bulk->pipe = worker->pipes;
    if (!bulk->pipe) {
        bulk->pipe = make_pipe();
        return;
    }
    worker->pipes = bulk->pipe->next;
    worker->pipe_count--;
}

void bulk_end(struct worker *worker, struct bulk *bulk)
{
    struct bulk_pipe *pipe = bulk->pipe;
    if (!pipe)
        return;
    if (bulk->piped || worker->pipe_count == SPARE_PIPES) {
        free_pipe(pipe);
    } else {
        pipe->next = worker->pipes;
        worker->pipes = pipe;
        worker->pipe_count++;
    }
    *bulk = (struct bulk){0};
}

ssize_t bulk_fill(struct bulk *bulk, int from_fd, uint64_t most)
{
    ssize_t count =
        splice(from_fd, NULL, bulk->pipe->write_fd, NULL,
               most < PIPE_BYTES ? (size_t)most : PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (count > 0)
        bulk->piped += (size_t)count;
    return count;
}

bool bulk_drain(struct bulk *bulk, int to_fd)
{
    while (bulk->piped) {
        ssize_t count = splice(bulk->pipe->read_fd, NULL, to_fd, NULL, bulk->piped,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        bulk->piped -= (size_t)count;
    }
    return true;
}

void bulk_finish(struct worker *worker)
{
    while (worker->pipes) {
        struct bulk_pipe *pipe = worker->pipes;
        worker->pipes = pipe->next;
        free_pipe(pipe);
    }
}
