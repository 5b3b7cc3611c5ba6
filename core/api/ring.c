/* The latest changes, bounded in number and bytes; what is older is forgotten. */
#include "api/watch.h"

#include <stdlib.h>

void note_finish(struct note *note)
{
    shown_release(&note->now);
    record_release(note->before);
    text_finish(&note->json);
}

void ring_init(struct ring *ring, size_t room, size_t bytes_limit)
{
    *ring = (struct ring){.notes = memory_alloc(room * sizeof *ring->notes),
                          .room = room,
                          .bytes_limit = bytes_limit};
}

struct note *ring_at(struct ring *ring, uint64_t position)
{
    return &ring->notes[position % ring->room];
}

static void drop_oldest(struct ring *ring)
{
    struct note *note = ring_at(ring, ring->first++);
    ring->floor_seq = note->seq;
    ring->bytes -= note->bytes;
    note_finish(note);
}

void ring_add(struct ring *ring, struct note *take_note)
{
    take_note->bytes = sizeof *take_note + take_note->now.record->bytes +
                       take_note->now.kind->soft_bytes +
                       (take_note->before ? take_note->before->bytes : 0);
    while (ring->first < ring->next && (ring->next - ring->first == ring->room ||
                                        ring->bytes + take_note->bytes > ring->bytes_limit))
        drop_oldest(ring);
    *ring_at(ring, ring->next++) = *take_note;
    ring->bytes += take_note->bytes;
}

uint64_t ring_seek(struct ring *ring, uint64_t seq)
{
    uint64_t low = ring->first, high = ring->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ring_at(ring, middle)->seq <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ring_finish(struct ring *ring)
{
    while (ring->first < ring->next)
        drop_oldest(ring);
    free(ring->notes);
}
