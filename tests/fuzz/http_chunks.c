/* Chunked bodies: a byte for the size of the pieces, then the body. Whole and in pieces yield the
 * same; and what is passed on, with a last chunk, is a body of the same data. */
#include "fuzz.h"
#include "proxy/http/chunks.h"

struct result {
    enum http_chunks_answer answer;
    size_t used, length;
    uint8_t *bytes;
};

static struct result feed(const uint8_t *data, size_t size, size_t step, bool unframe)
{
    struct http_chunks chunks = {.unframe = unframe};
    struct result result = {.answer = HTTP_CHUNKS_MORE, .bytes = malloc(size + 8)};
    while (result.used < size && result.answer == HTTP_CHUNKS_MORE) {
        size_t consumed, produced, count = size - result.used < step ? size - result.used : step;
        uint8_t *piece = malloc(count);
        memcpy(piece, data + result.used, count);
        result.answer = http_chunks_feed(&chunks, piece, count, &consumed, &produced);
        PROMISE(produced <= consumed && consumed <= count, "it grows");
        PROMISE(consumed == count || result.answer != HTTP_CHUNKS_MORE, "it stops");
        memcpy(result.bytes + result.length, piece, produced);
        result.length += produced;
        result.used += consumed;
        free(piece);
    }
    http_chunks_finish(&chunks);
    return result;
}

static bool is_same(const struct result *a, const struct result *b)
{
    return a->answer == b->answer && a->length == b->length &&
           memcmp(a->bytes, b->bytes, a->length) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    size_t step = data[0] + 1u;
    data++;
    size--;
    struct result whole = feed(data, size, size, false), pieces = feed(data, size, step, false);
    struct result bare = feed(data, size, step, true);
    PROMISE(is_same(&whole, &pieces), "pieces differ");
    PROMISE(bare.answer == whole.answer && bare.used == whole.used, "the data alone");
    if (whole.answer == HTTP_CHUNKS_DONE) {
        memcpy(whole.bytes + whole.length, "0\r\n\r\n", 5);
        struct result again = feed(whole.bytes, whole.length + 5, step, true);
        PROMISE(again.answer == HTTP_CHUNKS_DONE && is_same(&again, &bare), "passed on");
        free(again.bytes);
    }
    free(whole.bytes);
    free(pieces.bytes);
    free(bare.bytes);
    return 0;
}
