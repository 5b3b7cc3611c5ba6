/* Numbers for things that plugins refer to: never 0, and one that is over names nothing, since a
 * slot's generation is in it. Callers see to threads. */
#ifndef PLUGIN_HANDLES_H
#define PLUGIN_HANDLES_H

#include <stdint.h>

struct handle_slot {
    void *thing; /* NULL: free */
    uint32_t generation, next_free;
};
/* Zero-initialised is valid and empty. */
struct handles {
    struct handle_slot *slots;
    uint32_t count, capacity, used; /* count: slots ever used; the bound for handles_at */
    uint32_t first_free;            /* index + 1 */
};
void handles_finish(struct handles *handles);
uint64_t handles_put(struct handles *handles, void *thing);
void *handles_get(const struct handles *handles, uint64_t id);   /* NULL: over, or never was */
void handles_remove(struct handles *handles, uint64_t id);       /* of what is there */
void *handles_at(const struct handles *handles, uint32_t index); /* for walks; may be NULL */

#endif
