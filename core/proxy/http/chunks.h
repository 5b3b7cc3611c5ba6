/* The chunked coding (RFC 9112, 7.1), decoded where it lies: extensions and trailers are taken out,
 * so that what goes on is shorter than what came and holds nothing but sizes and data. Strict:
 * sizes are bare hexadecimal numbers, lines end with CR LF. [any thread; no shared state] */
#ifndef PROXY_HTTP_CHUNKS_H
#define PROXY_HTTP_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_TRAILER_BYTES = 4096, HTTP_EXTENSION_BYTES = 4096 };
struct http_chunks {
    uint64_t left; /* of the chunk; or its size so far */
    uint16_t extension_bytes, trailer_bytes;
    uint8_t stage, digits;
    bool unframe;      /* yield the data alone; else sizes too, the last one excepted */
    uint8_t *trailers; /* owned; with their empty line; NULL: none came */
};
enum http_chunks_answer {
    HTTP_CHUNKS_MORE = 1,
    HTTP_CHUNKS_DONE, /* the body has ended; a last chunk is the caller's to write */
    HTTP_CHUNKS_BAD
};
/* Of `bytes`, `consumed` are understood, and the first `produced` are what is to go on. */
enum http_chunks_answer http_chunks_feed(struct http_chunks *chunks, uint8_t *bytes, size_t length,
                                         size_t *consumed, size_t *produced);
void http_chunks_finish(struct http_chunks *chunks);

#endif
