/* The socket, its connections (a thread each) and the engine's own life. */
#include "fakes/docker/impl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t fake_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool fake_wait(struct fake_docker *fake, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    return pthread_cond_timedwait(&fake->changed, &fake->lock, &until) == 0;
}

bool fake_client_is_gone(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLRDHUP};
    return poll(&poller, 1, 0) > 0 && poller.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

void fake_await_hangup(struct exchange *exchange)
{
    struct pollfd poller = {.fd = exchange->fd, .events = POLLRDHUP};
    (void)poll(&poller, 1, -1); /* the engine's end shuts the connection down */
    exchange->closes = true;
}

static void connection_end(struct connection *connection)
{
    struct fake_docker *fake = connection->fake;
    pthread_mutex_lock(&fake->lock);
    struct connection **link = &fake->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    close(connection->fd);
    free(connection);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

static void *serve(void *argument)
{
    struct connection *connection = argument;
    while (http_serve(connection))
        ;
    connection_end(connection);
    return NULL;
}

static void accept_one(struct fake_docker *fake, int fd)
{
    pthread_t thread;
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    pthread_mutex_lock(&fake->lock);
    *connection = (struct connection){.next = fake->connections, .fake = fake, .fd = fd};
    fake->connections = connection;
    pthread_mutex_unlock(&fake->lock);
    if (pthread_create(&thread, NULL, serve, connection) != 0)
        abort();
    pthread_detach(thread);
}

static void *accept_all(void *argument)
{
    struct fake_docker *fake = argument;
    for (;;) {
        int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        accept_one(fake, fd);
    }
}

static bool open_socket(struct fake_docker *fake)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, fake->path, strlen(fake->path));
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fake->stopping = false;
    unlink(fake->path);
    if (fake->listener < 0 ||
        bind(fake->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fake->listener, 128) != 0 ||
        pthread_create(&fake->acceptor, NULL, accept_all, fake) != 0) {
        close(fake->listener);
        return false;
    }
    return true;
}

static void close_socket(struct fake_docker *fake)
{
    shutdown(fake->listener, SHUT_RDWR);
    pthread_join(fake->acceptor, NULL);
    close(fake->listener);
    unlink(fake->path);
    pthread_mutex_lock(&fake->lock);
    fake->stopping = true;
    for (struct connection *connection = fake->connections; connection;
         connection = connection->next)
        shutdown(connection->fd, SHUT_RDWR);
    pthread_cond_broadcast(&fake->changed);
    while (fake->connections)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

struct fake_docker *fake_docker_start(const char *path)
{
    struct fake_docker *fake = calloc(1, sizeof *fake);
    if (!fake)
        abort();
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->version = strdup("1.41");
    fake->next_id = 1;
    fake->temporary = !path;
    snprintf(fake->directory, sizeof fake->directory, "/tmp/fake-docker-XXXXXX");
    if (path && strlen(path) < sizeof fake->path)
        snprintf(fake->path, sizeof fake->path, "%s", path);
    else if (!path && mkdtemp(fake->directory))
        snprintf(fake->path, sizeof fake->path, "%s/docker.sock", fake->directory);
    if (fake->path[0] && open_socket(fake))
        return fake;
    int number = fake->path[0] ? errno : ENAMETOOLONG;
    free(fake->version);
    free(fake);
    errno = number;
    return NULL;
}

void fake_docker_go_away(struct fake_docker *fake)
{
    close_socket(fake);
}

void fake_docker_come_back(struct fake_docker *fake)
{
    if (!open_socket(fake))
        abort();
}

static void free_model(struct fake_docker *fake)
{
    while (fake->containers)
        container_drop(fake, fake->containers);
    for (struct fake_image *image = fake->images, *next; image; image = next) {
        next = image->next;
        free(image->reference);
        free(image);
    }
    for (struct fake_exec *exec = fake->execs, *next; exec; exec = next) {
        next = exec->next;
        json_decref(exec->config);
        free(exec);
    }
    for (size_t i = 0; i < EVENTS_KEPT; i++) {
        json_decref(fake->events[i].json);
        json_decref(fake->events[i].labels);
    }
}

void fake_docker_stop(struct fake_docker *fake)
{
    if (!fake)
        return;
    if (!fake->stopping)
        close_socket(fake);
    if (fake->temporary)
        rmdir(fake->directory);
    free_model(fake);
    fake_docker_faults_clear(fake);
    fake_docker_calls_clear(fake);
    free(fake->calls);
    free(fake->version);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

const char *fake_docker_path(const struct fake_docker *fake)
{
    return fake->path;
}

void fake_docker_set_version(struct fake_docker *fake, const char *version)
{
    pthread_mutex_lock(&fake->lock);
    free(fake->version);
    fake->version = version ? strdup(version) : NULL;
    pthread_mutex_unlock(&fake->lock);
}
