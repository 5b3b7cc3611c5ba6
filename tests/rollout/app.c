/* What the containers of the rollout torture run: an HTTP server with a thread per connection, that
 * exits at once on SIGTERM, whatever is under way.
 *
 *   /         "ok HOSTNAME VERSION"        /slow   the same after two seconds
 *   /healthz  200; 500 with FAIL=unready   Upgrade: echo   101, then what comes goes back
 *
 * FAIL=exit: it ends at once with status 3. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 8080, HEAD_BYTES = 16384, SLOW_SECONDS = 2 };

static const char *fail, *version;
static char host[80];

static void on_term(int number)
{
    (void)number;
    _exit(0);
}

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static void echo(int fd)
{
    static const char head[] =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    char bytes[4096];
    ssize_t got;
    if (!send_all(fd, head, sizeof head - 1))
        return;
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0)
        if (!send_all(fd, bytes, (size_t)got))
            return;
}

/* False: the connection is to be closed. */
static bool answer(int fd, const char *head)
{
    char body[160], reply[400];
    bool unready = strncmp(head, "GET /healthz", 12) == 0 && fail && strcmp(fail, "unready") == 0;
    if (strcasestr(head, "\r\nupgrade: echo")) {
        echo(fd);
        return false;
    }
    if (strncmp(head, "GET /slow", 9) == 0)
        sleep(SLOW_SECONDS); /* the slowness is what is wanted */
    int length = snprintf(body, sizeof body, "ok %s %s\n", host, version);
    int bytes = snprintf(reply, sizeof reply,
                         "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
                         unready ? "500 Internal Server Error" : "200 OK", length, body);
    return send_all(fd, reply, (size_t)bytes) && !strcasestr(head, "\r\nconnection: close");
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char head[HEAD_BYTES + 1];
    size_t length = 0;
    bool open = true;
    while (open) {
        head[length] = '\0';
        char *end = strstr(head, "\r\n\r\n");
        if (end) { /* requests without a body: what follows is the next one */
            size_t used = (size_t)(end + 4 - head);
            end[2] = '\0';
            open = answer(fd, head);
            memmove(head, head + used, length - used);
            length -= used;
            continue;
        }
        ssize_t got = length < HEAD_BYTES ? recv(fd, head + length, HEAD_BYTES - length, 0) : 0;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    close(fd);
    return NULL;
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_attr_t attributes;
    fail = getenv("FAIL");
    version = getenv("VERSION") ? getenv("VERSION") : "0";
    gethostname(host, sizeof host - 1);
    signal(SIGTERM, on_term); /* process 1 has no default action */
    if (fail && strcmp(fail, "exit") == 0)
        return 3;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0) {
        perror("listen");
        return 1;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
            return 1;
        if (fd >= 0 && pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
    }
}
