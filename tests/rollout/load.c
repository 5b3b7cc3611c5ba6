/* Bounded HTTP load of several kinds at once on one port, for tests that count what fails:
 *
 *   rollout-load PORT SECONDS KEEPALIVE SHORT SLOW UPGRADED PAUSE_US [tcp]
 *
 * KEEPALIVE connections that are never closed by us, SHORT ones made anew for each request, SLOW
 * ones with requests of two seconds, UPGRADED ones that echo for a second. After each answer of the
 * first two it waits PAUSE_US. Ends after SECONDS or on SIGTERM, once what is under way has been
 * answered. Failures are told one a line on stderr, with their kind; the last line on stdout:
 *
 *   {"requests": N, "failed": N, "keepalive": N, "short": N, "slow": N, "upgraded": N,
 *    "cut": N, "closed": N}
 *
 * cut: upgraded connections that were closed in between. closed: keep-alive connections that an
 * answer announced the end of; that is no failure. With `tcp` what is between knows no requests: a
 * keep-alive connection that ends without an answer is counted as cut, and slow ones are made anew
 * for each request. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum kind { KEEPALIVE, SHORT, SLOW, UPGRADED, KINDS };
enum { ANSWER_BYTES = 8192, TIMEOUT_SECONDS = 20, THREADS_MAX = 1024, TOLD_MAX = 1000 };
static const char *const words[] = {"keepalive", "short", "slow", "upgraded"};

static int port;
static useconds_t pause_us;
static bool is_tcp;
static atomic_bool over;
static atomic_llong served[KINDS], failed, cut, closed_by_answer;

static void on_term(int number)
{
    (void)number;
    over = true;
}

static void fail(enum kind kind, const char *what)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (atomic_fetch_add(&failed, 1) < TOLD_MAX)
        fprintf(stderr, "%lld.%03ld %s: %s: %s\n", (long long)now.tv_sec, now.tv_nsec / 1000000,
                words[kind], what, errno ? strerror(errno) : "-");
}

static int connect_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

struct answer {
    char bytes[ANSWER_BYTES];
    size_t length, head; /* head: bytes of it, with the empty line */
    int status;
    bool closes;
};

/* Reads one answer with a Content-Length, or the head of a 101. NULL, or what is wrong. */
static const char *receive(int fd, struct answer *answer)
{
    size_t wanted = 0;
    *answer = (struct answer){0};
    while (!wanted || answer->length < wanted) {
        errno = 0;
        if (answer->length == ANSWER_BYTES - 1)
            return "too long an answer";
        ssize_t got =
            recv(fd, answer->bytes + answer->length, ANSWER_BYTES - 1 - answer->length, 0);
        if (got <= 0)
            return answer->length ? "the answer was cut" : "closed without an answer";
        answer->length += (size_t)got;
        answer->bytes[answer->length] = '\0';
        const char *end = strstr(answer->bytes, "\r\n\r\n");
        if (!end || wanted)
            continue;
        const char *given = strcasestr(answer->bytes, "\r\ncontent-length:");
        answer->head = (size_t)(end - answer->bytes) + 4;
        answer->status = atoi(answer->bytes + sizeof "HTTP/1.1");
        const char *connection = strcasestr(answer->bytes, "\r\nconnection: close");
        answer->closes = connection && connection < end;
        if (answer->status != 101 && (!given || given > end))
            return "an answer without length";
        wanted = answer->head + (answer->status == 101 ? 0 : strtoul(given + 17, NULL, 10));
    }
    return answer->length == wanted ? NULL : "more than the answer came";
}

static const char *ask(int fd, const char *request, struct answer *answer)
{
    errno = 0;
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        return "send";
    const char *wrong = receive(fd, answer);
    errno = wrong ? errno : 0;
    if (wrong)
        return wrong;
    if (answer->status != 200)
        return answer->status == 503 ? "503" : answer->status == 502 ? "502" : "another status";
    return strncmp(answer->bytes + answer->head, "ok ", 3) == 0 ? NULL : "another body";
}

static void run_requests(enum kind kind)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: web\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n",
        "GET /slow HTTP/1.1\r\nHost: web\r\n\r\n"};
    static const char slow_once[] = "GET /slow HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
    const char *request = is_tcp && kind == SLOW ? slow_once : requests[kind];
    bool once = kind == SHORT || (is_tcp && kind == SLOW);
    bool may_be_cut = is_tcp && kind == KEEPALIVE;
    struct answer answer = {0};
    int fd = -1;
    while (!over) {
        errno = 0;
        if (fd < 0 && (fd = connect_port()) < 0) {
            fail(kind, "connect");
            usleep(10000); /* no busy loop while nobody listens */
            continue;
        }
        answer.length = 0;
        const char *wrong = ask(fd, request, &answer);
        if (wrong && may_be_cut && !answer.length)
            cut++;
        else if (wrong)
            fail(kind, wrong);
        else
            served[kind]++;
        if (!wrong && answer.closes && !once)
            closed_by_answer++;
        if (wrong || answer.closes || once) {
            close(fd);
            fd = -1;
        }
        usleep(pause_us); /* the load asked for: time between requests */
    }
    if (fd >= 0)
        close(fd);
}

/* Ten pings in a second, then it closes. */
static const char *echo(int fd)
{
    for (int i = 0; i < 10; i++) {
        char back[8];
        errno = 0;
        if (send(fd, "ping\n", 5, MSG_NOSIGNAL) != 5 || recv(fd, back, 5, MSG_WAITALL) != 5)
            return "cut";
        if (memcmp(back, "ping\n", 5) != 0)
            return "not what was sent came back";
        usleep(100000); /* pings over a second, so that rollouts meet open ones */
    }
    return NULL;
}

static void run_upgraded(void)
{
    static const char request[] =
        "GET /echo HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    while (!over) {
        struct answer answer;
        errno = 0;
        int fd = connect_port();
        const char *wrong = fd < 0 ? "connect"
                            : send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0
                                ? "send"
                                : receive(fd, &answer);
        if (!wrong && answer.status != 101)
            wrong = "no upgrade";
        const char *later = wrong ? NULL : echo(fd);
        if (wrong)
            fail(UPGRADED, wrong);
        else if (later && strcmp(later, "cut") == 0)
            cut++;
        else if (later)
            fail(UPGRADED, later);
        else
            served[UPGRADED]++;
        if (fd >= 0)
            close(fd);
    }
}

static void *run(void *argument)
{
    enum kind kind = (enum kind)(size_t)argument;
    if (kind == UPGRADED)
        run_upgraded();
    else
        run_requests(kind);
    return NULL;
}

int main(int count, char **words_given)
{
    pthread_t threads[THREADS_MAX];
    int started = 0;
    if (count != 8 && count != 9) {
        fprintf(stderr, "usage: rollout-load PORT SECONDS KEEPALIVE SHORT SLOW UPGRADED PAUSE_US "
                        "[tcp]\n");
        return 2;
    }
    port = atoi(words_given[1]);
    pause_us = (useconds_t)atoi(words_given[7]);
    is_tcp = count == 9;
    signal(SIGTERM, on_term);
    signal(SIGALRM, on_term);
    alarm((unsigned)atoi(words_given[2]));
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = atoi(words_given[3 + kind]); i > 0 && started < THREADS_MAX; i--)
            if (pthread_create(&threads[started], NULL, run, (void *)(size_t)kind) == 0)
                started++;
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    long long all = failed + cut;
    for (int kind = 0; kind < KINDS; kind++)
        all += served[kind];
    printf("{\"requests\": %lld, \"failed\": %lld, ", all, (long long)failed);
    for (int kind = 0; kind < KINDS; kind++)
        printf("\"%s\": %lld, ", words[kind], (long long)served[kind]);
    printf("\"cut\": %lld, \"closed\": %lld}\n", (long long)cut, (long long)closed_by_answer);
    return failed != 0;
}
