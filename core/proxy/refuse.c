/* HTTP without a ready endpoint: the request's head is read, so that the client is not reset while
 * it still writes, and answered with 503. */
#include "proxy/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD_BYTES = 16 * 1024 };
#define HEAD_NS (5 * NS_PER_SECOND)
#define CLOSE_NS (1 * NS_PER_SECOND) /* for the client to close after the answer */

static const char answer_head[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                  "Content-Type: text/plain\r\n"
                                  "Content-Length: 37\r\n"
                                  "Retry-After: 1\r\n"
                                  "Connection: close\r\n\r\n";
static const char answer_body[] = "No endpoint of this service is ready\n";
_Static_assert(sizeof answer_body - 1 == 37, "Content-Length");

static void end(struct connection *connection)
{
    connection_end(connection, ORCH_OUTCOME_OK, END_IN_ORDER);
}

/* The answer fits into any socket's buffer; a client for which it does not is not waited for. */
static void answer(struct connection *connection)
{
    struct peer *client = &connection->client;
    struct buffer *head = client->out;
    bool bodyless = head->end >= 5 && memcmp(head->bytes, "HEAD ", 5) == 0;
    buffer_give(connection->worker, head);
    client->out = NULL;
    client->fin_sent = true;
    if (send(client->fd, answer_head, sizeof answer_head - 1, MSG_NOSIGNAL | MSG_MORE) < 0 ||
        (!bodyless && send(client->fd, answer_body, sizeof answer_body - 1, MSG_NOSIGNAL) < 0) ||
        shutdown(client->fd, SHUT_WR) != 0) {
        end(connection);
        return;
    }
    loop_timer_start(&connection->timer, CLOSE_NS);
}

static bool is_whole(const struct buffer *head)
{
    return head->end >= HEAD_BYTES || memmem(head->bytes, head->end, "\r\n\r\n", 4) ||
           memmem(head->bytes, head->end, "\n\n", 2);
}

void refuse_begin(struct connection *connection)
{
    struct peer *client = &connection->client;
    connection->state = CONNECTION_REFUSING;
    client->out = buffer_take(connection->worker);
    if (!client->out) {
        end(connection);
        return;
    }
    loop_io_set(&client->io, client->fd, LOOP_READ);
    loop_timer_start(&connection->timer, HEAD_NS);
}

void refuse_ready(struct connection *connection, unsigned events)
{
    struct peer *client = &connection->client;
    struct buffer *head = client->out;
    uint8_t *into = head ? head->bytes + head->end : connection->worker->scratch;
    ssize_t count = recv(client->fd, into, head ? HEAD_BYTES - head->end : HEAD_BYTES, 0);
    (void)events;
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        end(connection);
        return;
    }
    if (!head)
        return; /* answered; what else it sends is dropped until it closes */
    head->end += (size_t)count;
    if (is_whole(head))
        answer(connection);
}

void refuse_late(struct connection *connection)
{
    end(connection);
}
