/* Without a terminal the engine frames what a process writes: a byte for the channel, three of
 * zero, the length in four, big-endian, then the bytes. With one they come as they are. */
#include "docker.h"

#include <string.h>

enum { FRAME_STDIN = 0, FRAME_STDOUT = 1, FRAME_STDERR = 2 };

static bool take_header(struct frames *frames)
{
    const unsigned char *head = frames->header;
    frames->have = 0;
    if (head[0] > FRAME_STDERR || head[1] || head[2] || head[3])
        return false;
    frames->channel = head[0] == FRAME_STDERR ? ORCH_CHANNEL_STDERR : ORCH_CHANNEL_STDOUT;
    frames->left = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 |
                   (uint32_t)head[7];
    return true;
}

int64_t frames_feed(struct frames *frames, struct job *job, struct orch_str bytes)
{
    int64_t credit = 1;
    if (frames->kind == FRAMES_RAW)
        return bytes.len ? job_emit(job, ORCH_CHANNEL_STDOUT, bytes.ptr, bytes.len) : credit;
    while (bytes.len && credit >= 0) {
        size_t taken;
        if (frames->left) {
            taken = bytes.len < frames->left ? bytes.len : frames->left;
            credit = job_emit(job, frames->channel, bytes.ptr, taken);
            frames->left -= (uint32_t)taken;
        } else {
            size_t wanted = sizeof frames->header - frames->have;
            taken = bytes.len < wanted ? bytes.len : wanted;
            memcpy(frames->header + frames->have, bytes.ptr, taken);
            frames->have += (uint32_t)taken;
            if (frames->have == sizeof frames->header && !take_header(frames))
                return ORCH_E_IO;
        }
        bytes.ptr += taken;
        bytes.len -= taken;
    }
    return credit;
}
