/* Heads of requests (first byte even) and responses (odd): read whole and in two pieces, with one
 * answer; and what was taken is written anew, read again, and means the same. */
#include "fuzz.h"
#include "proxy/http/head.h"
#include "proxy/http/write.h"

typedef int (*reader)(struct http_head *head, const uint8_t *bytes, size_t length);

static int read_with(reader read, struct http_head *head, const uint8_t *bytes, size_t length)
{
    uint8_t *block = malloc(length ? length : 1); /* its own, so that reading on is seen */
    memcpy(block, bytes, length);
    http_head_reset(head);
    int answer = read(head, block, length);
    free(block);
    return answer;
}

static void read_in_pieces(reader read, const uint8_t *bytes, size_t length, int whole)
{
    static struct http_head head;
    size_t cut = length / 2;
    http_head_reset(&head);
    int answer = read(&head, bytes, cut);
    if (answer == HTTP_MORE && cut)
        answer = read(&head, bytes, length);
    /* A line that has not ended need not be judged yet. */
    bool waits = answer == HTTP_MORE && !memchr(bytes + cut, '\n', length - cut);
    PROMISE(!cut || answer == whole || waits, "%d in pieces, %d whole", answer, whole);
}

static void check_spans(const struct http_head *head, size_t length)
{
    PROMISE(head->length <= length && head->count <= HTTP_FIELD_LIMIT, "length");
    for (uint8_t i = 0; i < head->count; i++) {
        const struct http_field *field = &head->fields[i];
        PROMISE(field->name.length && field->name.at + field->name.length < field->value.at,
                "a name");
        PROMISE(field->value.at + field->value.length <= head->length, "a value");
    }
}

static void check_request(const struct http_head *head, const uint8_t *bytes)
{
    static uint8_t out[HTTP_REQUEST_BYTES + HTTP_ADDED_BYTES];
    static struct http_head again;
    const struct http_client_facts facts = {.address = "::1", .local = "127.0.0.1:80"};
    const struct http_request_extra extra = {.client = &facts,
                                             .upgrades = head->upgrade.length && !head->chunked};
    size_t length = http_write_request(out, head, bytes, &extra);
    PROMISE(length <= sizeof out, "%zu bytes", length);
    if (length > HTTP_REQUEST_BYTES || head->count > HTTP_FIELD_LIMIT - 12)
        return; /* its ends are too close to the limits to be read again */
    int answer = read_with(http_read_request, &again, out, length);
    PROMISE(answer == HTTP_DONE, "%d: %s", answer, again.fault);
    PROMISE(again.length == length, "what is written is one head");
    PROMISE(again.chunked == head->chunked && again.content_length == head->content_length &&
                again.has_length == head->has_length,
            "framing");
    PROMISE(again.method_id == head->method_id, "method");
}

static void check_response(const struct http_head *head, const uint8_t *bytes)
{
    static uint8_t out[HTTP_RESPONSE_BYTES + HTTP_ADDED_BYTES];
    static struct http_head again;
    size_t length = http_write_response(out, head, bytes,
                                        head->chunked      ? HTTP_FRAMED_CHUNKED
                                        : head->has_length ? HTTP_FRAMED_LENGTH
                                                           : HTTP_FRAMED_CLOSE,
                                        HTTP_CLOSES, "");
    PROMISE(length <= sizeof out, "%zu bytes", length);
    if (length > HTTP_RESPONSE_BYTES || head->count > HTTP_FIELD_LIMIT - 4)
        return;
    int answer = read_with(http_read_response, &again, out, length);
    PROMISE(answer == HTTP_DONE && again.length == length, "%d: %s", answer, again.fault);
    PROMISE(again.status == head->status && again.chunked == head->chunked &&
                again.content_length == head->content_length && again.close,
            "meaning");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head head;
    if (!size || size > 1 << 16)
        return 0;
    bool request = data[0] % 2 == 0;
    reader read = request ? http_read_request : http_read_response;
    data++;
    size--;
    int answer = read_with(read, &head, data, size);
    PROMISE(answer < 2 || head.fault, "%d without a reason", answer);
    read_in_pieces(read, data, size, answer);
    if (answer != HTTP_DONE)
        return 0;
    check_spans(&head, size);
    if (request)
        check_request(&head, data);
    else
        check_response(&head, data);
    return 0;
}
