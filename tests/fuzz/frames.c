/* The engine's framed output: however the bytes are cut, the same comes out. */
#include "docker.h"
#include "fuzz.h"

struct sink {
    struct job job; /* first */
    struct text channels[2];
};

int64_t job_emit(struct job *job, uint32_t channel, const char *bytes, size_t length)
{
    struct sink *sink = (struct sink *)job;
    PROMISE(channel == ORCH_CHANNEL_STDOUT || channel == ORCH_CHANNEL_STDERR, "channel %u",
            channel);
    PROMISE(length, "an emission of nothing");
    text_add(&sink->channels[channel == ORCH_CHANNEL_STDERR], bytes, length);
    return 1;
}

static int64_t feed(struct sink *sink, const uint8_t *data, size_t size, size_t step, int kind)
{
    struct frames frames = {.kind = kind};
    for (size_t at = 0; at < size; at += step) {
        size_t part = size - at < step ? size - at : step;
        int64_t credit =
            frames_feed(&frames, &sink->job, (struct orch_str){(const char *)data + at, part});
        if (credit < 0)
            return credit;
    }
    return 1;
}

static bool same(const struct text *one, const struct text *other)
{
    return one->length == other->length &&
           memcmp(text_string(one), text_string(other), one->length) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return -1;
    struct sink whole = {0}, cut = {0};
    int kind = data[0] % 2 ? FRAMES_FRAMED : FRAMES_RAW;
    size_t step = 1u + data[1] % 16;
    int64_t first = feed(&whole, data + 2, size - 2, size, kind);
    int64_t second = feed(&cut, data + 2, size - 2, step, kind);
    PROMISE(first == second, "whole %d, in parts %d", (int)first, (int)second);
    for (int i = 0; i < 2; i++) {
        PROMISE(same(&whole.channels[i], &cut.channels[i]), "cut into parts it says otherwise");
        text_finish(&whole.channels[i]);
        text_finish(&cut.channels[i]);
    }
    return 0;
}
