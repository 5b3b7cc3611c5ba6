#include "http_talk.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_origin *a, *b;
char got[GOT_BYTES];

void http_talk_prepare(void)
{
    rig_prepare();
    rig.protocol = FEED_HTTP;
    rig.workers = 1;
}

void put_origins(bool with_a, bool draining_a)
{
    struct rig_endpoint both[] = {{"a", a->port, draining_a}, {"b", b ? b->port : 0, false}};
    if (b)
        rig_put(with_a ? both : both + 1, with_a ? 2 : 1);
    else
        rig_put(both, with_a ? 1 : 0);
    rig_publish();
}

void start_one(void)
{
    a = http_origin_start("a");
    b = NULL;
    rig_feed();
    put_origins(true, false);
}

void start_two(void)
{
    a = http_origin_start("a");
    b = http_origin_start("b");
    rig_feed();
    put_origins(true, false);
}

void put_bytes(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until what came ends in `end`. */
/* Every reply has a date, which no test can foretell. */
static size_t leave_out_dates(size_t length)
{
    got[length] = 0;
    for (char *date = got; (date = strstr(date, "\r\nDate: "));) {
        char *after = strstr(date + 2, "\r\n");
        if (!after)
            break;
        cr_assert_eq(after - date, 37, "%.60s", date);
        memmove(date, after, (size_t)(got + length - after) + 1);
        length -= (size_t)(after - date);
    }
    return length;
}

const char *receive(int fd, const char *end)
{
    size_t length = 0;
    do {
        ssize_t count = recv(fd, got + length, sizeof got - 1 - length, 0);
        cr_assert(count > 0, "after \"%.*s\", waiting for \"%s\"", (int)length, got, end);
        length = leave_out_dates(length + (size_t)count);
    } while (length < strlen(end) || strcmp(got + length - strlen(end), end) != 0);
    return got;
}

/* Whose reply it is: a name is one letter. */
char ask_name(int fd, const char *request)
{
    const char *end = NULL;
    put_bytes(fd, request);
    for (size_t length = 0; !end || !end[4];) {
        ssize_t count = recv(fd, got + length, sizeof got - 1 - length, 0);
        cr_assert(count > 0, "after \"%.*s\"", (int)length, got);
        length = leave_out_dates(length + (size_t)count);
        end = strstr(got, "\r\n\r\n");
    }
    return end[4];
}

const char *receive_all(int fd)
{
    size_t length = 0;
    for (ssize_t count; (count = recv(fd, got + length, sizeof got - 1 - length, 0)) > 0;)
        length = leave_out_dates(length + (size_t)count);
    got[length] = 0;
    return got;
}

const char *ask(int fd, const char *request, const char *end)
{
    put_bytes(fd, request);
    return receive(fd, end);
}

void expect_answer(const char *request, const char *answer)
{
    int fd = client_connect(rig.port);
    put_bytes(fd, request);
    cr_expect_str_eq(receive(fd, answer), answer);
    close(fd);
}

bool got_has(const char *text)
{
    return strstr(got, text);
}
