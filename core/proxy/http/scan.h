/* Classes of bytes in heads. Private to this folder. */
#ifndef PROXY_HTTP_SCAN_H
#define PROXY_HTTP_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    SCAN_TOKEN = 1,  /* of names and methods: RFC 9110, 5.6.2 */
    SCAN_TEXT = 2,   /* of values: visible, space, tab, and above ASCII */
    SCAN_TARGET = 4, /* visible ASCII without #: a fragment is not sent */
    SCAN_HOST = 8,   /* of a name or address: unreserved, sub-delims without ',', '%' */
    SCAN_HEX = 16,
};
extern const uint8_t scan_classes[256];

static inline bool scan_is(uint8_t byte, uint8_t classes)
{
    return scan_classes[byte] & classes;
}

static inline const uint8_t *scan_while(const uint8_t *at, const uint8_t *end, uint8_t classes)
{
    while (at < end && scan_is(*at, classes))
        at++;
    return at;
}

/* The first byte that no value may hold; sixteen at a time where the machine can. */
static inline const uint8_t *scan_text(const uint8_t *at, const uint8_t *end)
{
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes);
        low = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low);
        int found = _mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, del)));
        if (found)
            return at + __builtin_ctz((unsigned)found);
    }
#endif
    return scan_while(at, end, SCAN_TEXT);
}

#endif
