/* Units of time and their text. Clocks themselves are reached through the loop. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

enum { CLOCK_TEXT_BYTES = 32 };

/* RFC 3339, UTC, milliseconds: "2026-11-24T10:00:00.000Z". Returns `out`. */
char *clock_format_wall_ms(int64_t wall_ms, char out[CLOCK_TEXT_BYTES]);
bool clock_parse_wall_ms(const char *text, int64_t *wall_ms);
/* "500ms", "1m30s", "2h": the shortest exact form; "0s" for none. Returns `out`. */
char *clock_format_duration_ns(uint64_t ns, char out[CLOCK_TEXT_BYTES]);
/* Units ns us ms s m h d, in falling order, decimals allowed on any ("1.5s"). */
bool clock_parse_duration_ns(const char *text, uint64_t *ns);

#endif
